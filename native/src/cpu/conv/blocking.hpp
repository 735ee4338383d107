#pragma once

#include "cpu/conv/kernels.hpp"
#include "cpu/conv/pass.hpp"
#include "cpu/conv/split.hpp"

/// The rules that choose how loops are cut. They change speed and the order of sums, and never look at the number of
/// threads.
namespace s2sam::conv {

/// Above this density the dense kernels, which multiply by the zeros too, are the faster ones.
inline constexpr double dense_above = 0.6;

/// How a pass is walked: output pixels in rectangles, input channels in blocks.
struct Tiling {
  Split rows, cols;
  int block_channels;
};

/// For the sparse kernel, whose rectangles are its register tiles.
Tiling sparse_tiling(const SparseKernels& kernels, const Pass& pass, int inputs, double density);

/// For the gradient kernels, which sum over a rectangle.
Tiling gradient_tiling(const GradientKernels& kernels, const Pass& pass, int inputs, double density);

}  // namespace s2sam::conv
