#include "cpu/conv/dense_pass.hpp"

#include <algorithm>

#include "cpu/conv/correlate.hpp"

namespace s2sam::conv {

namespace {

/// Taps whose input pixels, for one tile, fill half of a small first-level cache; all those of some input channels.
int block_of(const Pass& pass, int taps_of_channel) {
  constexpr int pixels = 256, columns = DenseKernels::max_cols;
  const int reach = (columns - 1) * pass.w.in_step + pass.w.largest_shift() + 1;
  const int footprint = std::min(columns * pass.w.taps(), reach) * pass.h.taps();
  return std::max(1, pixels / std::max(footprint, 1)) * std::max(taps_of_channel, 1);
}

}  // namespace

DenseRows pack(const Call& call, const Pass& pass) {
  const int group = conv_dense_kernels_for(call.context.isa()).channels;
  const Weights& weights = call.weights;
  const int in_pass = pass.h.taps() * pass.w.taps(), taps = call.inputs() * in_pass, outputs = call.outputs();
  auto* packed = static_cast<float*>(
      call.context.scratch(static_cast<std::size_t>(outputs) * taps * sizeof(float), slot_weights));
  auto* offset = static_cast<std::uint32_t*>(
      call.context.scratch((static_cast<std::size_t>(taps) + 1) * sizeof(std::uint32_t), slot_offsets));
  offset[taps] = 0;
  const auto for_each_tap = [&](auto body) {
    int tap = 0;
    for (int from = 0; from < call.inputs(); ++from) {
      for (int row = 0; row < weights.height; ++row) {
        for (int col = 0; col < weights.width; ++col) {
          if (pass.h.shift[row] >= 0 && pass.w.shift[col] >= 0) body(tap++, from, row, col);
        }
      }
    }
  };
  for_each_tap([&](int tap, int from, int row, int col) {
    offset[tap] = static_cast<std::uint32_t>(from * call.from.plane + pass.h.shift[row] * call.from.row +
                                             pass.w.shift[col] * ActivationLayout::lanes);
  });
  const auto* w = call.w.as<const float>();
  const bool forward = call.direction == Direction::forward;
  call.context.parallel((outputs + group - 1) / group, [&](std::ptrdiff_t g) {
    const int first = static_cast<int>(g) * group, size = std::min(group, outputs - first);
    float* to = packed + static_cast<std::ptrdiff_t>(first) * taps;
    for_each_tap([&](int tap, int from, int row, int col) {
      for (int i = 0; i < size; ++i) {
        const std::int64_t pair = forward ? (first + i) * weights.in + from : from * weights.in + first + i;
        to[tap * size + i] = w[(pair * weights.height + row) * weights.width + col];
      }
    });
  });
  return {packed, offset, outputs, taps, block_of(pass, in_pass)};
}

Grid dense_grid(const Call& call, const Pass& pass) {
  const DenseKernels& kernels = conv_dense_kernels_for(call.context.isa());
  return Grid::whole(call, {pass.h.count, pass.h.count}, Split::at_most(pass.w.count, kernels.cols));
}

void run_dense(const Call& call, const Pass& pass, const Grid& grid, const DenseRows& rows) {
  const DenseKernels& kernels = conv_dense_kernels_for(call.context.isa());
  const auto& kernel = kernels.tile[column_step(pass.w.in_step)];
  for_each_tile(call, pass, grid, kernels.channels,
                [&](const Tile& tile, int, int cols) { kernel[cols - 1](tile, rows); });
}

}  // namespace s2sam::conv
