#pragma once

#include <cstdint>

#include "cuda/launch.hpp"

/// Indices that come from the user; for .cu files alone.
namespace s2sam {

/// Indices, or labels, of which each must be in [0, limit), and how a fault names them.
struct Indices {
  HostText op, what;
  const std::int32_t* index;
  std::int64_t count, limit;
  Fault* faults;

  __device__ bool good(std::int64_t i) const { return index[i] >= 0 && index[i] < limit; }

  /// Reports the first bad one. The first block of a kernel does this, beside its work.
  __device__ void check() const {
    __shared__ unsigned long long first;
    if (blockIdx.x != 0) return;
    if (threadIdx.x == 0) first = static_cast<unsigned long long>(count);
    __syncthreads();
    for (std::int64_t i = threadIdx.x; i < count; i += blockDim.x) {
      if (good(i)) continue;
      atomicMin(&first, static_cast<unsigned long long>(i));
      break;
    }
    __syncthreads();
    const auto bad = static_cast<std::int64_t>(first);
    if (threadIdx.x == 0 && bad < count) report(faults, {Fault::index_out_of_range, op, what, bad, index[bad], limit});
  }
};

}  // namespace s2sam
