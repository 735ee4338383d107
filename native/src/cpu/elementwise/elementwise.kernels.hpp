#pragma once

#include <cstddef>

#include "cpu/dispatch.hpp"

namespace s2sam {

using BinaryRow = void (*)(const float* a, const float* b, float* y, std::ptrdiff_t count);
using UnaryRow = void (*)(const float* x, float* y, std::ptrdiff_t count);

/// Loops over contiguous floats of any alignment; an input may be the output.
struct ElementwiseKernels {
  BinaryRow add, sub, mul, div, maximum;
  UnaryRow relu, exp, log, sqrt, abs, square;
  /// y = x * factor.
  void (*scale)(const float* x, float factor, float* y, std::ptrdiff_t count);
  /// y = scale * x + shift.
  void (*affine)(const float* x, float scale, float shift, float* y, std::ptrdiff_t count);
  /// y += scale * x.
  void (*add_into)(const float* x, float scale, float* y, std::ptrdiff_t count);
  /// y moves towards x by the share `weight`; exact for 0 and 1.
  void (*lerp_into)(const float* x, float weight, float* y, std::ptrdiff_t count);
  /// dx = y > 0 ? dy : 0.
  void (*relu_backward)(const float* dy, const float* y, float* dx, std::ptrdiff_t count);
};

S2SAM_KERNEL_TABLE(ElementwiseKernels, elementwise_kernels)

}  // namespace s2sam
