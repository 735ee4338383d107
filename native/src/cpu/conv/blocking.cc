#include "cpu/conv/blocking.hpp"

#include <algorithm>
#include <cmath>

namespace s2sam::conv {

namespace {

/// Pixels of one row, or one column, of a tile on average; 0 where there are none.
double pixels_per_piece(const Split& split) {
  return split.pieces == 0 ? 0.0 : static_cast<double>(split.count) / split.pieces;
}

/// The shapes whose tiles hold the most pixels on average, after the edges have taken theirs: each entry of a list then
/// does the most products.
std::vector<Tiling> fullest_tiles(const SparseKernels& kernels, const Pass& pass, int inputs, std::size_t most) {
  std::vector<Tiling> shapes;
  for (int rows = 1; rows <= SparseKernels::rows; ++rows) {
    for (int cols = 1; cols <= std::min(SparseKernels::cols, kernels.max_pixels / rows); ++cols) {
      const Tiling tiling{Split::at_most(pass.h.count, rows), Split::at_most(pass.w.count, cols), inputs};
      if (std::find(shapes.begin(), shapes.end(), tiling) == shapes.end()) shapes.push_back(tiling);
    }
  }
  const auto pixels = [](const Tiling& t) { return pixels_per_piece(t.rows) * pixels_per_piece(t.cols); };
  std::stable_sort(shapes.begin(), shapes.end(),
                   [&](const Tiling& a, const Tiling& b) { return pixels(a) > pixels(b); });
  shapes.resize(std::min(shapes.size(), most));
  return shapes;
}

/// Input pixels along an axis that `count` neighbouring output pixels look at.
double reach(const Axis& axis, double count) { return (count - 1) * axis.in_step + axis.largest_shift() + 1; }

}  // namespace

std::vector<Tiling> sparse_tilings(const SparseKernels& kernels, const Pass& pass, int inputs) {
  // What one tile reads of a block, in pixels: anything; what fits a second-level cache beside the lists; a first-level
  // cache with some overflow; a first-level cache beside the sums.
  constexpr double rooms[] = {1e9, 3000, 900, 320};
  std::vector<Tiling> all;
  for (Tiling tiling : fullest_tiles(kernels, pass, inputs, 3)) {
    const double footprint = reach(pass.h, pixels_per_piece(tiling.rows)) * reach(pass.w, pixels_per_piece(tiling.cols));
    for (const double room : rooms) {
      const int blocks = static_cast<int>(std::ceil(inputs * footprint / room));
      tiling.block_channels = (inputs + blocks - 1) / std::max(blocks, 1);
      if (std::find(all.begin(), all.end(), tiling) == all.end()) all.push_back(tiling);
    }
  }
  return all;
}

Tiling gradient_tiling(const GradientKernels& kernels, const Pass& pass, int inputs, double density) {
  constexpr int pixels = 64;  // enough to make up for adding the lanes of a sum at the end
  const double entries_per_channel = std::max(density * pass.h.taps() * pass.w.taps(), 1e-6);
  // Lists that fill the register tile three times: longer ones waste less of it, shorter ones look at fewer channels of x,
  // which then stay in the caches while all output channels pass by.
  const double block = std::ceil(3 * kernels.sparse_taps / entries_per_channel);
  return {Split::at_most(pass.h.count, std::max(1, pixels / pass.w.count)), Split::at_most(pass.w.count, pixels),
          static_cast<int>(std::min<double>(inputs, block))};
}

}  // namespace s2sam::conv
