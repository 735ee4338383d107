#include "cpu/conv/blocking.hpp"

#include <algorithm>

namespace s2sam::conv {

namespace {

Split column_split(const SparseKernels& kernels, int cols) {
  return Split::at_most(cols, std::min(SparseKernels::cols, kernels.max_pixels));
}

Split row_split(const SparseKernels& kernels, int rows, int tile_cols) {
  return Split::at_most(rows, std::clamp(kernels.max_pixels / tile_cols, 1, SparseKernels::rows));
}

int largest_piece(const Split& split) { return (split.count + split.pieces - 1) / split.pieces; }

}  // namespace

SparseTiling::SparseTiling(const SparseKernels& kernels, const Pass& pass)
    : rows{}, cols(column_split(kernels, pass.w.count)) {
  rows = row_split(kernels, pass.h.count, largest_piece(cols));
}

int sparse_block(const SparseTiling&, const Pass&, int channels, double) {
  return channels;
}

GradientTiling sparse_gradient_tiling(const Pass& pass, int channels, double) {
  return {Split::at_most(pass.h.count, std::max(1, 64 / pass.w.count)), Split::at_most(pass.w.count, 64), channels};
}

GradientTiling dense_gradient_tiling(const GradientKernels&, const Pass& pass, int channels) {
  return {Split::at_most(pass.h.count, std::max(1, 64 / pass.w.count)), Split::at_most(pass.w.count, 64), channels};
}

}  // namespace s2sam::conv
