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

using Quad [[gnu::vector_size(16), gnu::may_alias]] = float;
using QuadUnaligned [[gnu::vector_size(16), gnu::aligned(4), gnu::may_alias]] = float;

/// The lanes of a vector folded to 4.
template <class Vector>
[[gnu::always_inline]] inline Quad fold(Vector v) {
  if constexpr (sizeof(Vector) == 64) {
    return fold(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
  } else if constexpr (sizeof(Vector) == 32) {
    return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
  } else {
    return v;
  }
}

/// The totals of four quads.
[[gnu::always_inline]] inline Quad totals(Quad a, Quad b, Quad c, Quad d) {
  const Quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Quad cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
  return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

}  // namespace s2sam::S2SAM_ISA
