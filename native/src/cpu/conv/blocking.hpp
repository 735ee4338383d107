#pragma once

#include "cpu/conv/kernels.hpp"
#include <vector>

#include "cpu/conv/pass.hpp"
#include "cpu/conv/split.hpp"

/// The rules that choose how loops are cut. They change speed and the order of sums, and never look at the number of
/// threads.
namespace s2sam::conv {

/// Above this density the weight gradient is computed everywhere.
inline constexpr double dense_above = 0.6;

/// How a pass is walked: output pixels in rectangles, input channels in blocks.
struct Tiling {
  Split rows, cols;
  int block_channels;

  bool operator==(const Tiling&) const = default;
};

/// Those worth trying for the sparse kernel, whose rectangles are its register tiles; the likeliest first.
std::vector<Tiling> sparse_tilings(const SparseKernels& kernels, const Pass& pass, int inputs);

/// For the gradient kernels, which sum over a rectangle.
Tiling gradient_tiling(const GradientKernels& kernels, const Pass& pass, int inputs, double density);

}  // namespace s2sam::conv
