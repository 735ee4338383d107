#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "s2sam/error.hpp"
#include "s2sam/tensor.hpp"

/// The floating-point types of images on the device, and how kernels read and write several at once.
namespace s2sam {

using f16 = __half;
using bf16 = __nv_bfloat16;

__host__ __device__ inline float to_float(float x) { return x; }
__host__ __device__ inline float to_float(f16 x) { return __half2float(x); }
__host__ __device__ inline float to_float(bf16 x) { return __bfloat162float(x); }

/// Rounds to nearest, ties to even.
template <class T>
__host__ __device__ inline T from_float(float x);
template <>
__host__ __device__ inline float from_float<float>(float x) {
  return x;
}
template <>
__host__ __device__ inline f16 from_float<f16>(float x) {
  return __float2half_rn(x);
}
template <>
__host__ __device__ inline bf16 from_float<bf16>(float x) {
  return __float2bfloat16_rn(x);
}

/// n neighbours, moved by one load or store.
template <class T, int n>
struct alignas(sizeof(T) * n) Vec {
  T value[n];
};

/// Elements of T in 16 bytes.
template <class T>
inline constexpr int vec_width = 16 / static_cast<int>(sizeof(T));

/// Calls body(T{}) with the C++ type of a floating-point tensor.
template <class Body>
void with_float_type(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::f32: return body(float{});
    case DType::f16: return body(f16{});
    case DType::bf16: return body(bf16{});
    default: throw Error(Code::internal, "cuda", std::string("a kernel got a tensor of ") + name_of(dtype));
  }
}

}  // namespace s2sam
