#pragma once

#include "cpu/conv/kernels.hpp"
#include "cpu/vec.hpp"

/// What the kernel files of this folder share; included by them only.
namespace s2sam::S2SAM_ISA {

/// Vector registers of the instruction set; the size of every register tile follows from it.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int registers = 32;
#else
inline constexpr int registers = 16;
#endif

/// The distance of neighbouring input pixels, a constant in the common cases.
template <int Step>
std::ptrdiff_t column_step(std::ptrdiff_t step) {
  if constexpr (Step == conv::step_one) return lanes;
  if constexpr (Step == conv::step_two) return 2 * lanes;
  return step;
}

/// Holds a vector in a register: GCC would rather read it from memory for every use.
inline void hold(Vec16::Native& v) {
#if defined(__x86_64__)
  asm("" : "+v"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
}

}  // namespace s2sam::S2SAM_ISA
