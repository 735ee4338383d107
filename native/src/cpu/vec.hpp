#pragma once

/// Included by kernel files, which are compiled once per instruction set with S2SAM_ISA naming the namespace
/// (baseline, avx2, avx512) and the matching compiler flags.
#ifndef S2SAM_ISA
#error "compile kernel files through the ISA variants of the build"
#endif

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace s2sam::S2SAM_ISA {

#if defined(__AVX512F__)
inline constexpr int native_lanes = 16;
#elif defined(__AVX2__)
inline constexpr int native_lanes = 8;
#else
inline constexpr int native_lanes = 4;
#endif

/// Images in the innermost dimension of an activation.
inline constexpr int lanes = 16;

/// One value of 16 images: one AVX-512 register, two AVX2 ones, four of the baseline.
struct Vec16 {
  using Native [[gnu::vector_size(native_lanes * 4), gnu::may_alias]] = float;
  using Unaligned [[gnu::vector_size(native_lanes * 4), gnu::aligned(4), gnu::may_alias]] = float;
  static constexpr int parts = lanes / native_lanes;

  Native part[parts];

  static Vec16 broadcast(float value) {
    Vec16 v;
    for (int i = 0; i < parts; ++i) v.part[i] = value - Native{};
    return v;
  }
  static Vec16 zero() { return broadcast(0.0F); }
  /// 64-byte aligned.
  static Vec16 load(const float* from) {
    Vec16 v;
    for (int i = 0; i < parts; ++i) v.part[i] = reinterpret_cast<const Native*>(from)[i];
    return v;
  }
  static Vec16 load_unaligned(const float* from) {
    Vec16 v;
    for (int i = 0; i < parts; ++i) v.part[i] = reinterpret_cast<const Unaligned*>(from)[i];
    return v;
  }
  void store(float* to) const {
    for (int i = 0; i < parts; ++i) reinterpret_cast<Native*>(to)[i] = part[i];
  }
  /// Past the caches where the instruction set can; 64-byte aligned. `finish_streaming` before another thread reads it.
  void stream(float* to) const {
#if defined(__AVX512F__)
    _mm512_stream_ps(to, reinterpret_cast<__m512>(part[0]));
#elif defined(__AVX2__)
    for (int i = 0; i < parts; ++i) _mm256_stream_ps(to + i * native_lanes, reinterpret_cast<__m256>(part[i]));
#else
    store(to);
#endif
  }
  void store_unaligned(float* to) const {
    for (int i = 0; i < parts; ++i) reinterpret_cast<Unaligned*>(to)[i] = part[i];
  }
  /// this += a * b, fused where the instruction set has it.
  void multiply_add(const Vec16& a, const Vec16& b) {
    for (int i = 0; i < parts; ++i) part[i] += a.part[i] * b.part[i];
  }
  friend Vec16 operator+(Vec16 a, const Vec16& b) {
    for (int i = 0; i < parts; ++i) a.part[i] += b.part[i];
    return a;
  }
  friend Vec16 operator-(Vec16 a, const Vec16& b) {
    for (int i = 0; i < parts; ++i) a.part[i] -= b.part[i];
    return a;
  }
  friend Vec16 operator*(Vec16 a, const Vec16& b) {
    for (int i = 0; i < parts; ++i) a.part[i] *= b.part[i];
    return a;
  }
  /// max(x, 0); NaN stays NaN.
  friend Vec16 rectify(Vec16 x) {
    for (int i = 0; i < parts; ++i) x.part[i] = x.part[i] < 0.0F ? Native{} : x.part[i];
    return x;
  }
  /// condition > 0 ? value : 0.
  friend Vec16 where_positive(const Vec16& condition, Vec16 value) {
    for (int i = 0; i < parts; ++i) value.part[i] = condition.part[i] > 0.0F ? value.part[i] : Native{};
    return value;
  }
  /// Bit i: lane i is above 0.
  std::uint32_t positive() const {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(part[0]), _mm512_setzero_ps(), _CMP_GT_OQ);
#else
    std::uint32_t bits = 0;
    for (int i = 0; i < parts; ++i) {
#if defined(__AVX2__)
      const __m256 above = _mm256_cmp_ps(reinterpret_cast<__m256>(part[i]), _mm256_setzero_ps(), _CMP_GT_OQ);
      bits |= static_cast<std::uint32_t>(_mm256_movemask_ps(above)) << (i * native_lanes);
#elif defined(__SSE2__)
      const __m128 above = _mm_cmpgt_ps(reinterpret_cast<__m128>(part[i]), _mm_setzero_ps());
      bits |= static_cast<std::uint32_t>(_mm_movemask_ps(above)) << (i * native_lanes);
#else
      for (int k = 0; k < native_lanes; ++k) bits |= (part[i][k] > 0.0F ? 1U : 0U) << (i * native_lanes + k);
#endif
    }
    return bits;
#endif
  }
  /// Zero in the lanes whose bit is 0.
  friend Vec16 where_set(std::uint32_t bits, Vec16 value) {
    using Words [[gnu::vector_size(native_lanes * 4), gnu::may_alias]] = std::uint32_t;
    for (int i = 0; i < parts; ++i) {
      Words bit;
      for (int k = 0; k < native_lanes; ++k) bit[k] = 1U << (i * native_lanes + k);
      const Words kept = reinterpret_cast<Words>((bit & bits) == bit);
      value.part[i] = reinterpret_cast<Native>(reinterpret_cast<Words>(value.part[i]) & kept);
    }
    return value;
  }
  float sum() const {
    Native s = part[0];
    for (int i = 1; i < parts; ++i) s += part[i];
    float total = 0;
    for (int i = 0; i < native_lanes; ++i) total += s[i];
    return total;
  }
};

/// Makes what this thread streamed visible before what it writes next.
inline void finish_streaming() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

}  // namespace s2sam::S2SAM_ISA
