#pragma once

#include "cpu/stream.hpp"
#include "s2sam/tensor.hpp"

namespace s2sam {

/// y = x, f32 [N, C, H, W], between any two formats and borders.
void convert(Context& context, const Tensor& x, const Tensor& y);

}  // namespace s2sam
