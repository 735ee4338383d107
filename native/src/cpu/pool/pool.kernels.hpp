#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/dispatch.hpp"

namespace s2sam {


/// The taps of a window that fall on the input.
struct Taps {
  int r0, r1, c0, c1;  ///< input rows [r0, r1), columns [c0, c1)
  int first_r, first_c;  ///< input row and column of tap (0, 0), possibly outside
  int kernel_w;
};

struct PoolKernels {
  /// Writes one output pixel and the 16 taps that won.
  void (*max_at)(const float* x, std::ptrdiff_t row, const Taps& taps, float* y, std::uint8_t* argmax);
  /// Adds one output pixel's gradient to the taps that won.
  void (*max_scatter)(const float* dy, const std::uint8_t* argmax, const Taps& taps, float* dx, std::ptrdiff_t row);
  /// y = factor * sum of the taps.
  void (*sum_at)(const float* x, std::ptrdiff_t row, const Taps& taps, float factor, float* y);
  /// Adds factor * dy to every tap.
  void (*sum_scatter)(const float* dy, const Taps& taps, float factor, float* dx, std::ptrdiff_t row);
};

S2SAM_KERNEL_TABLE(PoolKernels, pool_kernels)

}  // namespace s2sam
