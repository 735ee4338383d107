#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "cuda/mask/plans.hpp"
#include "cuda/mask/selection.hpp"

namespace s2sam {

namespace {

/// Masks travel to the device as arguments of a kernel, so that a recorded step has them for ever.
struct TablePart {
  static constexpr int capacity = 100;  // 3,200 of 4,096 bytes
  RankedMask masks[capacity];
};

__global__ void write_table_kernel(TablePart part, int count, RankedMask* table) {
  for (int m = threadIdx.x; m < count; m += block_threads) table[m] = part.masks[m];
}

/// The masks in scratch memory.
const RankedMask* table_on_device(const Op& op, const std::vector<RankedMask>& masks) {
  const auto size = static_cast<int>(masks.size());
  auto* table = op.scratch_of<RankedMask>(size);
  for (int begin = 0; begin < size; begin += TablePart::capacity) {
    const int count = std::min(TablePart::capacity, size - begin);
    TablePart part{};
    std::copy_n(masks.begin() + begin, count, part.masks);
    launch(op, write_table_kernel, 1, block_threads, part, count, table + begin);
  }
  return table;
}

/// What a wish that cannot be met is reported as.
Fault too_few_fault(const Op& op, const std::vector<ops::Scored>& scored, Among among) {
  constexpr const char* among_what[] = {"", " that are kept", " that are not kept"};
  const auto masks = static_cast<std::int64_t>(scored.size());
  Fault fault{Fault::too_few_weights, op.name(), among_what[static_cast<int>(among)], masks, 0, 0};
  fault.shape = scored[0].mask->shape;
  return fault;
}

/// Chooses among the weights of the masks and edits their bits: the chosen are added to them, or become them.
template <class KeyOf>
void choose(const Op& op, const std::vector<ops::Scored>& scored, Among among, const Mask* except, KeyOf key_of,
            Wish wish, bool join) {
  using Key = typename KeyOf::Key;
  std::vector<RankedMask> masks;
  std::int64_t runs = 0;
  for (const ops::Scored& one : scored) {
    const Mask& mask = *one.mask;
    masks.push_back({mask.bits.as<std::uint32_t>(), one.scores.as<const float>(), mask.count, runs});
    runs += (mask_words(mask.count) + run_words - 1) / run_words;
  }
  const Field<KeyOf> field{table_on_device(op, masks), static_cast<int>(masks.size()), runs, among,
                           except != nullptr ? except->bits.as<const std::uint32_t>() : nullptr, key_of};
  auto* of_digit = op.scratch_of<unsigned long long>(digits);
  auto* cut = op.scratch_of<Cut<Key>>(1);
  auto* ties = op.scratch_of<std::int64_t>(runs);
  op.clear(of_digit, digits * sizeof *of_digit);
  op.clear(cut, sizeof *cut);

  const unsigned blocks = blocks_for(op, runs * block_threads);
  const Fault too_few = too_few_fault(op, scored, among);
  for (int shift = std::numeric_limits<Key>::digits; shift > 0;) {
    shift = std::max(0, shift - digit_bits);
    launch(op, histogram_kernel<KeyOf>, blocks, block_threads, field, wish, shift, cut, of_digit, too_few, op.faults(),
           op.ticket());
  }
  launch(op, count_ties_kernel<KeyOf>, blocks, block_threads, field, cut, ties, op.ticket());
  launch(op, assign_kernel<KeyOf>, blocks, block_threads, field, cut, ties, join);
  for (const ops::Scored& one : scored) bits_change(op, *one.mask);
}

}  // namespace

namespace ops {

void mask_random(Stream& stream, MaskRef mask, std::int64_t keep, std::uint32_t key0, std::uint32_t key1) {
  stream.submit("maskRandom", [&](Op& op) {
    choose(op, {{mask, {}}}, Among::all, nullptr, ByLot{{{key0, key1}}}, {Wish::amount, 0, keep}, false);
  });
}

void mask_grow_random(Stream& stream, MaskRef mask, MaskRef except, std::int64_t grow, std::uint32_t key0,
                      std::uint32_t key1) {
  stream.submit("maskGrowRandom", [&](Op& op) {
    choose(op, {{mask, {}}}, Among::dropped, except.get(), ByLot{{{key0, key1}}}, {Wish::amount, 0, grow}, true);
  });
}

void mask_top_k(Stream& stream, std::vector<Scored> masks, std::int64_t keep) {
  stream.submit("maskTopK", [&](Op& op) {
    choose(op, masks, Among::all, nullptr, ByScore{}, {Wish::amount, 0, keep}, false);
  });
}

void mask_drop(Stream& stream, std::vector<Scored> masks, std::int64_t drop) {
  stream.submit("maskDrop", [&](Op& op) {
    choose(op, masks, Among::kept, nullptr, ByScore{}, {Wish::all_but, 0, drop}, false);
  });
}

void mask_grow(Stream& stream, std::vector<Scored> masks, std::int64_t grow) {
  stream.submit("maskGrow", [&](Op& op) {
    choose(op, masks, Among::dropped, nullptr, ByScore{}, {Wish::amount, 0, grow}, true);
  });
}

void mask_drop_below(Stream& stream, MaskRef mask, Tensor scores, float threshold, std::int64_t at_least) {
  stream.submit("maskDropBelow", [&](Op& op) {
    choose(op, {{mask, scores}}, Among::kept, nullptr, ByScore{}, {Wish::at_least, score_rank(threshold), at_least},
           false);
  });
}

}  // namespace ops

}  // namespace s2sam
