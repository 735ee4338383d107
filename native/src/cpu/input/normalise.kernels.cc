#include "cpu/input/normalise.kernels.hpp"

#include "cpu/vec.hpp"

namespace s2sam::S2SAM_ISA {

namespace {

void row(const std::uint8_t* bytes, const float* scale, const float* shift, std::ptrdiff_t pixels, float* y) {
  for (std::ptrdiff_t p = 0; p < pixels; ++p) {
#pragma GCC ivdep
    for (int i = 0; i < lanes; ++i) y[p * lanes + i] = static_cast<float>(bytes[p * lanes + i]) * scale[i] + shift[i];
  }
}

void blend_row(const std::uint8_t* bytes, const float* scale, const float* shift, float lambda, std::ptrdiff_t pixels,
               float* y) {
  const float rest = 1.0F - lambda;
  for (std::ptrdiff_t p = 0; p < pixels; ++p) {
#pragma GCC ivdep
    for (int i = 0; i < lanes; ++i) {
      const float other = static_cast<float>(bytes[p * lanes + i]) * scale[i] + shift[i];
      y[p * lanes + i] = lambda * y[p * lanes + i] + rest * other;
    }
  }
}

}  // namespace

const NormaliseKernels normalise_kernels{.row = row, .blend_row = blend_row};

}  // namespace s2sam::S2SAM_ISA
