#include <algorithm>
#include <utility>
#include <vector>

#include "cpu/chunks.hpp"
#include "cpu/mask/ranking.hpp"
#include "s2sam/ops.hpp"
#include "s2sam/wrong_data.hpp"

namespace s2sam::ops {

namespace {

enum class Among { all, kept, dropped };

const char* words_of(Among among) {
  constexpr const char* words[] = {"", " that are kept", " that are not kept"};
  return words[static_cast<int>(among)];
}

std::uint32_t* bits_of(const Mask& mask) { return mask.bits.as<std::uint32_t>(); }

/// The bits of a word that may be chosen.
auto candidates_of(const std::vector<Mask*>& masks, Among among, const Mask* except = nullptr) {
  return [&masks, among, except](std::size_t m, std::int64_t word) {
    const std::uint32_t bits = bits_of(*masks[m])[word], valid = valid_bits(word, masks[m]->count);
    if (among == Among::all) return valid;
    if (among == Among::kept) return bits;
    return ~bits & valid & ~(except == nullptr ? 0u : bits_of(*except)[word]);
  };
}

template <class Candidates, class KeyOf>
auto ranking_of(Context& context, const std::vector<Mask*>& masks, Candidates candidates, KeyOf key_of) {
  return Ranking<decltype(key_of(0, 0)), Candidates, KeyOf>(context, masks, candidates, key_of);
}

[[noreturn]] void too_many(const char* op, const std::vector<Mask*>& masks, Among among, std::int64_t wanted,
                           std::int64_t count) {
  throw too_few_weights(op, masks.size(), masks[0]->shape, words_of(among), wanted, count);
}

/// Masks and scores of a command, in the form the rankings take.
struct Operands {
  std::vector<Mask*> masks;
  std::vector<const float*> scores;

  explicit Operands(const std::vector<Scored>& scored) {
    for (const Scored& one : scored) {
      masks.push_back(one.mask.get());
      scores.push_back(one.scores.as<const float>());
    }
  }

  auto key_of() const {
    return [this](std::size_t m, std::int64_t i) { return score_rank(scores[m][i]); };
  }
};

void changed(const std::vector<Mask*>& masks) {
  for (Mask* mask : masks) ++mask->version;
}

/// Ranks the weights among these by score; assign(word of bits, chosen bits) edits the masks. `wanted` maps the number of
/// candidates to how many are chosen.
template <class Wanted, class Assign>
void by_scores(Context& context, const char* op, const std::vector<Scored>& scored, Among among, std::int64_t amount,
               const Wanted& wanted, const Assign& assign) {
  const Operands operands(scored);
  auto ranking = ranking_of(context, operands.masks, candidates_of(operands.masks, among), operands.key_of());
  const std::int64_t count = ranking.count();
  if (amount > count) too_many(op, operands.masks, among, amount, count);
  ranking.choose(wanted(count), [&](std::size_t m, std::int64_t word, std::uint32_t chosen) {
    assign(bits_of(*operands.masks[m])[word], chosen);
  });
  changed(operands.masks);
}

void become(std::uint32_t& bits, std::uint32_t chosen) { bits = chosen; }
void join(std::uint32_t& bits, std::uint32_t chosen) { bits |= chosen; }

/// Chooses `wanted` of the weights among these by lot.
template <class Assign>
void by_lots(Context& context, const char* op, Mask& mask, Among among, const Mask* except, std::int64_t wanted,
             Philox philox, const Assign& assign) {
  const std::vector<Mask*> masks{&mask};
  const auto candidates = candidates_of(masks, among, except);
  // Each lot is needed several times and costs far more than a read.
  auto* lots = static_cast<std::uint64_t*>(
      context.scratch(static_cast<std::size_t>(mask.count) * sizeof(std::uint64_t), 1));
  parallel_chunks(context, mask.count, [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin; i < end; ++i) lots[i] = ~random_lot(philox, static_cast<std::uint32_t>(i));
  });
  auto ranking = ranking_of(context, masks, candidates, [lots](std::size_t, std::int64_t i) { return lots[i]; });
  const std::int64_t count = ranking.count();
  if (wanted > count) too_many(op, masks, among, wanted, count);
  ranking.choose(wanted, [&](std::size_t, std::int64_t word, std::uint32_t chosen) {
    assign(bits_of(mask)[word], chosen);
  });
  changed(masks);
}

}  // namespace

void mask_random(Stream& stream, MaskRef mask, std::int64_t keep, std::uint32_t key0, std::uint32_t key1) {
  stream.submit("maskRandom", [=](Context& context) {
    by_lots(context, "maskRandom", *mask, Among::all, nullptr, keep, Philox{{key0, key1}}, become);
  });
}

void mask_grow_random(Stream& stream, MaskRef mask, MaskRef except, std::int64_t grow, std::uint32_t key0,
                      std::uint32_t key1) {
  stream.submit("maskGrowRandom", [=](Context& context) {
    by_lots(context, "maskGrowRandom", *mask, Among::dropped, except.get(), grow, Philox{{key0, key1}}, join);
  });
}

void mask_top_k(Stream& stream, std::vector<Scored> masks, std::int64_t keep) {
  stream.submit("maskTopK", [masks = std::move(masks), keep](Context& context) {
    by_scores(context, "maskTopK", masks, Among::all, keep, [keep](std::int64_t) { return keep; }, become);
  });
}

void mask_drop(Stream& stream, std::vector<Scored> masks, std::int64_t drop) {
  stream.submit("maskDrop", [masks = std::move(masks), drop](Context& context) {
    by_scores(context, "maskDrop", masks, Among::kept, drop, [drop](std::int64_t count) { return count - drop; }, become);
  });
}

void mask_grow(Stream& stream, std::vector<Scored> masks, std::int64_t grow) {
  stream.submit("maskGrow", [masks = std::move(masks), grow](Context& context) {
    by_scores(context, "maskGrow", masks, Among::dropped, grow, [grow](std::int64_t) { return grow; }, join);
  });
}

void mask_drop_below(Stream& stream, MaskRef mask, Tensor scores, float threshold, std::int64_t at_least) {
  stream.submit("maskDropBelow", [=](Context& context) {
    const Operands operands({{mask, scores}});
    auto ranking = ranking_of(context, operands.masks, candidates_of(operands.masks, Among::kept), operands.key_of());
    const std::int64_t above = ranking.count_from(score_rank(threshold));
    ranking.choose(std::max(above, std::min(at_least, ranking.count())),
                   [&](std::size_t, std::int64_t word, std::uint32_t chosen) { bits_of(*mask)[word] = chosen; });
    changed(operands.masks);
  });
}

}  // namespace s2sam::ops
