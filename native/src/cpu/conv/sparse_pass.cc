#include "cpu/conv/sparse_pass.hpp"

#include <algorithm>

#include "cpu/chunks.hpp"
#include "cpu/conv/correlate.hpp"

namespace s2sam::conv {

namespace {

/// Each thread has room for the sums of its tiles of so many output channels: little enough for the second-level cache.
constexpr int partial_channels = 64;
thread_local AlignedBuffer partial_sums;

}  // namespace

SparseRows fill_entries(const Call& call, const Lists& lists) {
  const std::size_t count = lists.source.size();
  auto* entries = static_cast<Entry*>(call.context.scratch((count + 1) * sizeof(Entry), slot_weights));
  entries[count] = {};
  const auto* w = call.w.as<const float>();
  parallel_chunks(call.context, static_cast<std::ptrdiff_t>(count),
                  [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
                    for (std::ptrdiff_t i = begin; i < end; ++i) entries[i] = {lists.offset[i], w[lists.source[i]]};
                  });
  return {entries, lists.start.data(), lists.channels, lists.blocks};
}

void run_sparse(const Call& call, const Pass& pass, const Grid& grid, const SparseRows& rows) {
  const SparseKernels& kernels = conv_sparse_kernels_for(call.context.isa());
  const auto& kernel = kernels.tile[column_step(pass.w.in_step)];
  const std::size_t room = static_cast<std::size_t>(partial_channels) * kernels.max_pixels * ActivationLayout::lanes;
  for_each_tile(call, pass, grid, 1, [&](Tile tile, int tile_rows, int tile_cols) {
    tile.partial = static_cast<float*>(partial_sums.at_least(room * sizeof(float)));
    const int last = tile.last;
    for (; tile.first < last; tile.first = tile.last) {
      tile.last = std::min(tile.first + partial_channels, last);
      kernel[tile_rows - 1][tile_cols - 1](tile, rows);
    }
  });
}

}  // namespace s2sam::conv
