#pragma once

#include "cpu/conv/kernels.hpp"
#include "cpu/conv/pass.hpp"
#include "cpu/conv/split.hpp"

/// The rules that choose how loops are cut. They change speed alone, never which products are summed.
namespace s2sam::conv {

/// Above this density the dense kernel, which multiplies by the zeros too, is the faster one.
inline constexpr double dense_above = 0.6;

/// How the output pixels of a pass are cut into register tiles of the sparse kernel.
struct SparseTiling {
  Split rows, cols;

  SparseTiling(const SparseKernels& kernels, const Pass& pass);
  int tile_rows() const { return rows.end(rows.pieces - 1) - rows.begin(rows.pieces - 1); }
  int tile_cols() const { return cols.end(cols.pieces - 1) - cols.begin(cols.pieces - 1); }
};

/// Input channels that the sparse kernel takes at a time, so that the pixels a tile reads stay in the first-level cache while
/// all output channels pass by.
int sparse_block(const SparseTiling& tiling, const Pass& pass, int channels, double density);

/// How the output pixels are cut into the rectangles over which the gradient kernels sum, and how many input channels they
/// take at a time.
struct GradientTiling {
  Split rows, cols;
  int block_channels;
};

GradientTiling sparse_gradient_tiling(const Pass& pass, int channels, double density);
GradientTiling dense_gradient_tiling(const GradientKernels& kernels, const Pass& pass, int channels);

}  // namespace s2sam::conv
