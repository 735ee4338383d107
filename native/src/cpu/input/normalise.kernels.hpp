#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/dispatch.hpp"

namespace s2sam {

struct NormaliseKernels {
  /// y = bytes * scale + shift for `pixels` pixels of 16 images; scale and shift hold a value per lane.
  void (*row)(const std::uint8_t* bytes, const float* scale, const float* shift, std::ptrdiff_t pixels, float* y);
  /// y = lambda * y + (1 - lambda) * (bytes * scale + shift).
  void (*blend_row)(const std::uint8_t* bytes, const float* scale, const float* shift, float lambda,
                    std::ptrdiff_t pixels, float* y);
};

S2SAM_KERNEL_TABLE(NormaliseKernels, normalise_kernels)

}  // namespace s2sam
