#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/launch_kernel.hpp"
#include "cuda/stream/stream.hpp"

/// How kernels are enqueued; for .cu files alone.
namespace s2sam {

constexpr int block_threads = 256;

/// Blocks of `threads` for `count` items of work: all of them, or as many as fill the device some times over, for kernels whose threads
/// walk the items with the stride of the grid.
inline unsigned blocks_for(const Op& op, std::int64_t count, int threads = block_threads) {
  const std::int64_t wanted = (count + threads - 1) / threads;
  const std::int64_t most = std::int64_t{op.limits().processors} * (2048 / threads) * 4;
  return static_cast<unsigned>(std::clamp<std::int64_t>(wanted, 1, most));
}

/// Enqueues kernel(arguments...) on `blocks` blocks of `threads` threads.
template <class... Parameters, class... Arguments>
void launch(const Op& op, void (*kernel)(Parameters...), dim3 blocks, dim3 threads, Arguments... arguments) {
  // Each kernel's code is brought to the device before its first use in a recorded step.
  if (op.stream().capturing()) {
    const BesideCapture beside;
    op.check(load_kernel(kernel), "cudaFuncGetAttributes");
  }
  op.check(launch_kernel(op.handle(), kernel, blocks, threads, arguments...), "kernel launch");
}

/// Calls body(i) for the items of this thread, out of `count`.
template <class Body>
__device__ void each_item(std::int64_t count, const Body& body) {
  const std::int64_t stride = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) body(i);
}

/// For one thread of a kernel that found a fault. Kernels of one stream run one after another, so there is no race.
__device__ inline void report(Fault* record, const Fault& fault) {
  if (record->kind == Fault::none) *record = fault;
}

}  // namespace s2sam
