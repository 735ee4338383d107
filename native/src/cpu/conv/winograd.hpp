#pragma once

#include "cpu/conv/call.hpp"

/// 3x3 convolutions by Winograd's method: a tile of 4x4 outputs is a sum over 36 products instead of 144.
///
/// Lavin, Gray: Fast Algorithms for Convolutional Neural Networks, 2015.
namespace s2sam::conv {

/// Whether a call can be computed so: 3x3 kernel, stride 1, padding 1 on each axis, at least 16 input and output
/// channels.
bool winograd_fits(const Weights& weights, const ops::Conv2d& geometry);

/// out (+)= the correlation of `in` with all weights: forward in = x, out = y, backward in = dy, out = dx. `call.in`
/// has a border of at least 1. Every output pixel is set; the border of `out` is left alone.
void run_winograd(const Call& call);

/// dw (+)= the weight gradient at all positions, [O, I, 3, 3] row-major. x has a border of at least 1. Results are
/// the same for any number of threads.
void winograd_weight_gradient(Context& context, const Tensor& x, const Tensor& dy, bool accumulate, float* dw);

}  // namespace s2sam::conv
