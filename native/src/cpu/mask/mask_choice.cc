#include <algorithm>
#include <string>

#include "cpu/stream.hpp"
#include "s2sam/error.hpp"
#include "s2sam/mask_bits.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

/// A weight that may be chosen: the higher rank first, among equals the lower index.
struct Candidate {
  std::uint64_t rank;
  std::uint32_t index;

  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : index < other.index;
  }
};

enum class Among { all, kept, dropped };

bool is_among(const Mask& mask, Among among, std::int64_t i) {
  return among == Among::all || is_kept(mask.bits.as<const std::uint32_t>(), i) == (among == Among::kept);
}

/// The number of weights among these; throws if it is less than the wish.
std::int64_t available(const char* op, const Mask& mask, Among among, std::int64_t wanted) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < mask.count; ++i) count += is_among(mask, among, i) ? 1 : 0;
  if (wanted >= 0 && wanted <= count) return count;
  constexpr const char* names[] = {"", " that are kept", " that are not kept"};
  throw Error(Code::argument, op,
              std::to_string(wanted) + " weights were asked for, but the mask over " + mask.shape.string() + " has " +
                  std::to_string(count) + names[static_cast<int>(among)] + "; ask for 0 to " + std::to_string(count));
}

/// The weights of [begin, middle) come before those of [middle, end). In scratch memory.
struct Choice {
  const Candidate *begin, *middle, *end;
};

/// Ranks the `count` weights among these with rank_of(index) and parts the `wanted` first from the rest.
template <class Rank>
Choice choose(Context& context, const Mask& mask, Among among, std::int64_t count, std::int64_t wanted,
              const Rank& rank_of) {
  auto* begin = static_cast<Candidate*>(context.scratch(static_cast<std::size_t>(count) * sizeof(Candidate)));
  Candidate* end = begin;
  for (std::int64_t i = 0; i < mask.count; ++i) {
    if (is_among(mask, among, i)) *end++ = {rank_of(static_cast<std::uint32_t>(i)), static_cast<std::uint32_t>(i)};
  }
  Candidate* middle = begin + wanted;
  if (middle != end) std::nth_element(begin, middle, end);
  return {begin, middle, end};
}

auto by_score(const Tensor& scores) {
  return [score = scores.as<const float>()](std::uint32_t i) { return std::uint64_t{score_rank(score[i])}; };
}

auto by_lot(std::uint32_t key0, std::uint32_t key1) {
  return [philox = Philox{{key0, key1}}](std::uint32_t i) { return ~random_lot(philox, i); };
}

void set_bits(Mask& mask, const Candidate* begin, const Candidate* end, bool keep) {
  auto* bits = mask.bits.as<std::uint32_t>();
  for (const Candidate* c = begin; c != end; ++c) {
    const std::uint32_t bit = std::uint32_t{1} << (c->index % 32);
    bits[c->index / 32] = keep ? bits[c->index / 32] | bit : bits[c->index / 32] & ~bit;
  }
  ++mask.version;
}

/// The mask becomes the `keep` first weights.
template <class Rank>
void keep_first(Context& context, const char* op, Mask& mask, std::int64_t keep, const Rank& rank_of) {
  const std::int64_t count = available(op, mask, Among::all, keep);
  const Choice choice = choose(context, mask, Among::all, count, keep, rank_of);
  std::fill_n(mask.bits.as<std::uint32_t>(), mask_words(mask.count), 0u);
  set_bits(mask, choice.begin, choice.middle, true);
}

/// The `grow` first of the weights that are not kept join the mask.
template <class Rank>
void grow_first(Context& context, const char* op, Mask& mask, std::int64_t grow, const Rank& rank_of) {
  const std::int64_t count = available(op, mask, Among::dropped, grow);
  const Choice choice = choose(context, mask, Among::dropped, count, grow, rank_of);
  set_bits(mask, choice.begin, choice.middle, true);
}

/// The `drop` last of the kept weights leave the mask.
template <class Rank>
void drop_last(Context& context, const char* op, Mask& mask, std::int64_t drop, const Rank& rank_of) {
  const std::int64_t count = available(op, mask, Among::kept, drop);
  const Choice choice = choose(context, mask, Among::kept, count, count - drop, rank_of);
  set_bits(mask, choice.middle, choice.end, false);
}

}  // namespace

void mask_random(Stream& stream, MaskRef mask, std::int64_t keep, std::uint32_t key0, std::uint32_t key1) {
  stream.submit("maskRandom",
                [=](Context& context) { keep_first(context, "maskRandom", *mask, keep, by_lot(key0, key1)); });
}

void mask_top_k(Stream& stream, MaskRef mask, Tensor scores, std::int64_t keep) {
  stream.submit("maskTopK", [=](Context& context) { keep_first(context, "maskTopK", *mask, keep, by_score(scores)); });
}

void mask_drop(Stream& stream, MaskRef mask, Tensor scores, std::int64_t drop) {
  stream.submit("maskDrop", [=](Context& context) { drop_last(context, "maskDrop", *mask, drop, by_score(scores)); });
}

void mask_grow(Stream& stream, MaskRef mask, Tensor scores, std::int64_t grow) {
  stream.submit("maskGrow", [=](Context& context) { grow_first(context, "maskGrow", *mask, grow, by_score(scores)); });
}

void mask_grow_random(Stream& stream, MaskRef mask, std::int64_t grow, std::uint32_t key0, std::uint32_t key1) {
  stream.submit("maskGrowRandom",
                [=](Context& context) { grow_first(context, "maskGrowRandom", *mask, grow, by_lot(key0, key1)); });
}

}  // namespace s2sam::ops
