#pragma once

// What nvcc would give a kernel: its indices, shared memory, barriers, warp functions, atomics. Included before every kernel of the
// emulated build.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "threads.hpp"

#undef __shared__
#define __shared__ static
#define __launch_bounds__(...)
#define threadIdx (::emulated::thread().thread_index)
#define blockIdx (::emulated::thread().block_index)
#define blockDim (::emulated::thread().block_size)
#define gridDim (::emulated::thread().grid_size)

constexpr int emulated_warp_size = 32;
#define warpSize emulated_warp_size

inline void __syncthreads() { emulated::block_barrier(); }
inline int __syncthreads_count(int predicate) { return emulated::block_sum(predicate != 0 ? 1 : 0); }
inline int __syncthreads_or(int predicate) { return __syncthreads_count(predicate) > 0; }
inline int __syncthreads_and(int predicate) { return __syncthreads_count(predicate == 0) == 0; }
inline void __threadfence() {}
inline void __threadfence_block() {}

namespace emulated {

template <class T>
std::uint64_t pack(T value) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <class T>
T unpack(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Lanes outside the width's section, or past its end, keep their own value.
template <class T>
T shuffle(unsigned mask, T value, int source, int width) {
  warp_exchange(mask, pack(value));
  const int base = lane() / width * width;
  return source < base || source >= base + width ? value : unpack<T>(warp_value(source));
}

}  // namespace emulated

inline void __syncwarp(unsigned mask = 0xFFFFFFFFu) { emulated::warp_exchange(mask, 0); }
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  return emulated::shuffle(mask, value, emulated::lane() / width * width + (source % width + width) % width, width);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return emulated::shuffle(mask, value, emulated::lane() + static_cast<int>(delta), width);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return emulated::shuffle(mask, value, emulated::lane() - static_cast<int>(delta), width);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  return emulated::shuffle(mask, value, emulated::lane() ^ lanes, width);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const unsigned alive = emulated::warp_alive();
  emulated::warp_exchange(mask, predicate != 0 ? 1 : 0);
  unsigned result = 0;
  for (int lane = 0; lane < 32; ++lane) {
    if (((mask & alive) >> lane & 1u) != 0 && emulated::warp_value(lane) != 0) result |= 1u << lane;
  }
  return result;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate == 0) == 0; }
template <class T>
unsigned __match_any_sync(unsigned mask, T value) {
  const unsigned alive = emulated::warp_alive();
  emulated::warp_exchange(mask, emulated::pack(value));
  unsigned result = 0;
  for (int lane = 0; lane < 32; ++lane) {
    if (((mask & alive) >> lane & 1u) != 0 && emulated::warp_value(lane) == emulated::pack(value)) result |= 1u << lane;
  }
  return result;
}

/// Fibers take turns only at barriers, so plain reads and writes are atomic.
template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = old + value;
  return old;
}
/// Counts up to the limit, then starts again at 0.
inline unsigned atomicInc(unsigned* address, unsigned limit) {
  const unsigned old = *address;
  *address = old >= limit ? 0 : old + 1;
  return old;
}
template <class T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = std::min(old, value);
  return old;
}
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = std::max(old, value);
  return old;
}
template <class T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = old | value;
  return old;
}
template <class T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = old & value;
  return old;
}
template <class T>
T atomicXor(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = old ^ value;
  return old;
}
template <class T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = value;
  return old;
}
template <class T>
T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  const T old = *address;
  if (old == compare) *address = value;
  return old;
}

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((std::uint64_t{a} * b) >> 32);
}
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
/// Rounded by themselves: the compiler must not fuse a product with a sum. (Inlining would let it.)
[[gnu::noinline]] inline float __fmul_rn(float a, float b) { return a * b; }
[[gnu::noinline]] inline float __fadd_rn(float a, float b) { return a + b; }
[[gnu::noinline]] inline double __dmul_rn(double a, double b) { return a * b; }
[[gnu::noinline]] inline double __dadd_rn(double a, double b) { return a + b; }
inline float rsqrtf(float x) { return 1.0F / std::sqrt(x); }
template <class T>
T __ldg(const T* address) {
  return *address;
}
using std::max;
using std::min;
// Of a number and NaN, a GPU takes the number.
inline float max(float a, float b) { return std::fmax(a, b); }
inline float min(float a, float b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
