#pragma once

#include <cstddef>

#include "cpu/dispatch.hpp"

namespace s2sam {

struct PeakKernels {
  /// Fused multiply-adds of 16 floats on registers alone; returns a value that depends on all of them.
  float (*arithmetic)(std::ptrdiff_t rounds);
  /// One for every 16 floats of `data`, over and over; a whole number of rounds of `chains`.
  float (*loaded)(const float* data, std::ptrdiff_t floats, std::ptrdiff_t rounds);
  int chains;  ///< multiply-adds of 16 floats in one round of `arithmetic`
};

S2SAM_KERNEL_TABLE(PeakKernels, peak_kernels)

}  // namespace s2sam
