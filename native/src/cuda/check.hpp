#pragma once

#include <cuda_runtime_api.h>

#include "s2sam/error.hpp"

namespace s2sam {

/// What a failed CUDA call means: out_of_memory, or internal with CUDA's own words.
Error cuda_error(const char* op, const char* call, cudaError_t status);

/// Throws cuda_error unless the call succeeded. `call`: the CUDA function, for the message.
inline void check(cudaError_t status, const char* op, const char* call) {
  if (status != cudaSuccess) throw cuda_error(op, call, status);
}

}  // namespace s2sam
