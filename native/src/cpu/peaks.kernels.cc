#include "cpu/peaks.kernels.hpp"

#include "cpu/vec.hpp"

namespace s2sam::S2SAM_ISA {

namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int registers = 32;
#else
constexpr int registers = 16;
#endif

/// Independent sums of 16 floats: two registers stay free for operands.
constexpr int chains = Vec16::parts == 1 ? 24 : (registers - 2) / Vec16::parts;

/// Hides the sums from the compiler, which else would see through the loop. Inlined: were their address passed on, they
/// would live in memory.
[[gnu::always_inline]] inline void keep(Vec16 (&sum)[chains]) {
#pragma GCC unroll 32
  for (int i = 0; i < chains; ++i) {
#pragma GCC unroll 4
#if defined(__x86_64__)
    for (int part = 0; part < Vec16::parts; ++part) asm("" : "+v"(sum[i].part[part]));
#else
    for (int part = 0; part < Vec16::parts; ++part) asm("" : "+w"(sum[i].part[part]));
#endif
  }
}

[[gnu::always_inline]] inline float total(const Vec16 (&sum)[chains]) {
  Vec16 all = sum[0];
#pragma GCC unroll 32
  for (int i = 1; i < chains; ++i) all = all + sum[i];
  return all.sum();
}

float arithmetic(std::ptrdiff_t rounds) {
  Vec16 sum[chains];
#pragma GCC unroll 32
  for (int i = 0; i < chains; ++i) sum[i] = Vec16::broadcast(static_cast<float>(i));
  const Vec16 a = Vec16::broadcast(0.999F);
  for (std::ptrdiff_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 32
    for (int i = 0; i < chains; ++i) sum[i].multiply_add(a, a);
    keep(sum);
  }
  return total(sum);
}

float loaded(const float* data, std::ptrdiff_t floats, std::ptrdiff_t rounds) {
  Vec16 sum[chains];
#pragma GCC unroll 32
  for (int i = 0; i < chains; ++i) sum[i] = Vec16::zero();
  const Vec16 a = Vec16::broadcast(0.5F);
  for (std::ptrdiff_t round = 0; round < rounds; ++round) {
    for (std::ptrdiff_t at = 0; at + chains * lanes <= floats; at += chains * lanes) {
#pragma GCC unroll 32
      for (int i = 0; i < chains; ++i) sum[i].multiply_add(Vec16::load(data + at + i * lanes), a);
      keep(sum);
    }
  }
  return total(sum);
}

}  // namespace

const PeakKernels peak_kernels{.arithmetic = arithmetic, .loaded = loaded, .chains = chains};

}  // namespace s2sam::S2SAM_ISA
