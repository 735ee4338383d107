#pragma once

#include "cpu/stream.hpp"
#include "s2sam/tensor.hpp"

/// Between plain [N, F] and the form in which a linear layer is a convolution: [F][ceil(N / 16)][16], an activation
/// of one block of 16 images with F channels and 1 x ceil(N / 16) pixels, the samples past N zero.
namespace s2sam {

/// Room for a plain [N, F] in that form, contents undefined.
Tensor interleaved(Context& context, const Shape& plain, int slot);

Tensor interleave(Context& context, const Tensor& plain, int slot);

/// plain (+)= x + bias?, bias [F].
void deinterleave(Context& context, const Tensor& x, const Tensor& bias_or_null, bool accumulate, const Tensor& plain);

}  // namespace s2sam
