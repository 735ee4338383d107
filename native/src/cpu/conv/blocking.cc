#include "cpu/conv/blocking.hpp"

#include <algorithm>
#include <cmath>

namespace s2sam::conv {

namespace {

/// Cache lines (a pixel of 16 images is one) of a small first-level cache that input pixels can hold on to.
constexpr double cached_pixels = 450;

/// Input positions along an axis that `count` neighbouring output pixels look at.
double reach(const Axis& axis, double count) {
  return std::min((count - 1) * axis.in_step + axis.largest_shift() + 1, count * axis.taps());
}

/// Cycles per product of the sparse kernel, where one fused multiply-add of 16 images with its load from the
/// first-level cache is 1. The constants were fitted roughly to timings on one Zen 4 machine; they matter less than
/// the shape.
double cycles(const Tiling& tiling, const Pass& pass, int inputs, double density) {
  const double rows = static_cast<double>(pass.h.count) / tiling.rows.pieces;
  const double cols = static_cast<double>(pass.w.count) / tiling.cols.pieces;
  const double pixels = rows * cols, taps = pass.h.taps() * pass.w.taps();
  const double entries = density * taps * tiling.block_channels;  // in a list
  const double footprint = reach(pass.h, rows) * reach(pass.w, cols);  // of one input channel
  const double touched = 1 - std::pow(1 - density, taps * pixels / footprint);
  const double loaded = footprint * touched / (density * taps * pixels);  // input pixels per product
  const double missed = std::max(0.0, 1 - cached_pixels / (footprint * tiling.block_channels));
  const double per_entry = 1 / pixels, per_list = 20 / (pixels * entries);
  const double partial_sums = tiling.block_channels < inputs ? 2 / entries : 0;
  return 1 + per_entry + per_list + partial_sums + loaded * missed;
}

}  // namespace

Tiling sparse_tiling(const SparseKernels& kernels, const Pass& pass, int inputs, double density) {
  Tiling best{{pass.h.count, pass.h.count}, {pass.w.count, pass.w.count}, inputs};
  if (density == 0.0 || pass.h.taps() * pass.w.taps() == 0) return best;
  double least = cycles(best, pass, inputs, density);
  for (int cols = 1; cols <= std::min(SparseKernels::cols, kernels.max_pixels); ++cols) {
    for (int rows = 1; rows <= std::min(SparseKernels::rows, kernels.max_pixels / cols); ++rows) {
      for (int block = inputs; block > 0; block = block * 3 / 4) {
        const Tiling tiling{Split::at_most(pass.h.count, rows), Split::at_most(pass.w.count, cols), block};
        const double cost = cycles(tiling, pass, inputs, density);
        if (cost >= least) continue;
        least = cost;
        best = tiling;
      }
    }
  }
  return best;
}

Tiling gradient_tiling(const GradientKernels& kernels, const Pass& pass, int inputs, double density) {
  constexpr int pixels = 64;  // enough to make up for adding the lanes of a sum at the end
  const double entries_per_channel = std::max(density * pass.h.taps() * pass.w.taps(), 1e-6);
  // A list that fills the register tile once loads each dy once.
  const double block = std::ceil(kernels.sparse_taps / entries_per_channel);
  return {Split::at_most(pass.h.count, std::max(1, pixels / pass.w.count)), Split::at_most(pass.w.count, pixels),
          static_cast<int>(std::min<double>(inputs, block))};
}

}  // namespace s2sam::conv
