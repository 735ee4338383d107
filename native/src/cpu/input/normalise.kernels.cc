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

}  // namespace

const NormaliseKernels normalise_kernels{.row = row};

}  // namespace s2sam::S2SAM_ISA
