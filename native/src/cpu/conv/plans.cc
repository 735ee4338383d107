#include "cpu/conv/plans.hpp"

#include <bit>
#include <cstddef>
#include <utility>

namespace s2sam {

void MaskPlansDeleter::operator()(MaskPlans* plans) const { std::default_delete<MaskPlans>()(plans); }

namespace conv {

namespace {

std::int64_t count_kept(const Mask& mask) {
  const auto* words = mask.bits.as<const std::uint32_t>();
  std::int64_t kept = 0;
  for (std::int64_t word = 0; word < mask.bits.shape[0]; ++word) kept += std::popcount(words[word]);
  return kept;
}

/// Calls body(list, offset, index) for every kept weight of the pass, where list = block * channels + output channel.
template <class Body>
void for_each_entry(const Mask& mask, const ListShape& shape, const Body& body) {
  const Weights weights(mask.shape);
  const std::vector<int>&h = shape.pass.h.shift, &w = shape.pass.w.shift;
  const auto height = static_cast<std::uint32_t>(weights.height), width = static_cast<std::uint32_t>(weights.width);
  const auto in_channels = static_cast<std::uint32_t>(weights.in);
  const std::int64_t channels = shape.direction == Direction::forward ? weights.out : weights.in;
  for_each_kept(mask, [&](std::uint32_t index) {
    const std::uint32_t column = index % width, row = index / width % height, pair = index / (width * height);
    if (h[row] < 0 || w[column] < 0) return;
    std::int64_t from = pair % in_channels, to = pair / in_channels;
    if (shape.direction == Direction::backward) std::swap(from, to);
    const std::int64_t offset = from * shape.plane + h[row] * shape.row + w[column] * ActivationLayout::lanes;
    const std::int64_t list = from / shape.block_channels * channels + to;
    body(static_cast<std::size_t>(list), static_cast<std::uint32_t>(offset), index);
  });
}

}  // namespace

PlanKey::PlanKey(Use use, Isa isa, const ops::Conv2d& geometry, const ActivationLayout& in, std::int64_t out_h,
                 std::int64_t out_w)
    : use(use),
      isa(isa),
      stride_h(geometry.stride_h),
      stride_w(geometry.stride_w),
      pad_h(geometry.pad_h),
      pad_w(geometry.pad_w),
      out_h(out_h),
      out_w(out_w),
      row(in.row),
      plane(in.plane) {}

MaskPlans& current_plans(Mask& mask) {
  if (!mask.plans || mask.plans->version != mask.version) {
    mask.plans.reset(std::make_unique<MaskPlans>(MaskPlans{mask.version, count_kept(mask), {}}).release());
  }
  return *mask.plans;
}

double density(Mask* mask) {
  if (mask == nullptr) return 1.0;
  return static_cast<double>(current_plans(*mask).kept) / static_cast<double>(mask->count);
}

Lists make_lists(const Mask& mask, const ListShape& shape) {
  const Weights weights(mask.shape);
  const bool forward = shape.direction == Direction::forward;
  Lists lists;
  lists.channels = static_cast<int>(forward ? weights.out : weights.in);
  const std::int64_t inputs = forward ? weights.in : weights.out;
  lists.blocks = static_cast<int>((inputs + shape.block_channels - 1) / shape.block_channels);

  // A counting sort: start[i + 1] counts list i, then becomes where its next entry goes, and so ends as where it ends.
  lists.start.assign(static_cast<std::size_t>(lists.blocks) * lists.channels + 2, 0);
  for_each_entry(mask, shape, [&](std::size_t list, std::uint32_t, std::uint32_t) { ++lists.start[list + 2]; });
  for (std::size_t i = 1; i < lists.start.size(); ++i) lists.start[i] += lists.start[i - 1];
  lists.offset.resize(lists.start.back());
  lists.source.resize(lists.start.back());
  for_each_entry(mask, shape, [&](std::size_t list, std::uint32_t offset, std::uint32_t index) {
    const std::uint32_t at = lists.start[list + 1]++;
    lists.offset[at] = offset;
    lists.source[at] = index;
  });
  lists.start.pop_back();
  return lists;
}

}  // namespace conv
}  // namespace s2sam
