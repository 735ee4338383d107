#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstddef>

/// Arrays of floating-point numbers of several types.
namespace emulated {

enum class Type { f32, f16, bf16 };

inline float load(Type type, const void* data, std::ptrdiff_t i) {
  switch (type) {
    case Type::f16: return __half2float(static_cast<const __half*>(data)[i]);
    case Type::bf16: return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]);
    default: return static_cast<const float*>(data)[i];
  }
}

inline void store(Type type, void* data, std::ptrdiff_t i, float value) {
  switch (type) {
    case Type::f16: static_cast<__half*>(data)[i] = __float2half_rn(value); break;
    case Type::bf16: static_cast<__nv_bfloat16*>(data)[i] = __float2bfloat16_rn(value); break;
    default: static_cast<float*>(data)[i] = value;
  }
}

}  // namespace emulated
