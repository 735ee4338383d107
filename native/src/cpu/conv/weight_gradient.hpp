#pragma once

#include "cpu/stream.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::conv {

/// dw (+)= the weight gradient of the convolution, at kept positions (the others are left untouched) or everywhere.
/// dw [O, I, kH, kW] or [O, I], row-major.
void weight_gradient(Context& context, const Tensor& x, const Tensor& dy, Mask* mask, const ops::Conv2d& geometry,
                     ops::GradientAt at, bool accumulate, const Tensor& dw);

}  // namespace s2sam::conv
