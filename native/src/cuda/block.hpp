#pragma once

#include "cuda/launch.hpp"

/// What the threads of a block work out together; for kernels of `block_threads` threads in one dimension.
namespace s2sam {

constexpr int warp_threads = 32;
constexpr int block_warps = block_threads / warp_threads;

__device__ inline bool is_first_thread() { return blockIdx.x == 0 && threadIdx.x == 0; }

/// Calls body(i) for the items of this thread's warp, out of `count`: all its threads together.
template <class Body>
__device__ void each_warp_item(std::int64_t count, const Body& body) {
  const std::int64_t first = std::int64_t{blockIdx.x} * block_warps + threadIdx.x / warp_threads;
  for (std::int64_t i = first; i < count; i += std::int64_t{gridDim.x} * block_warps) body(i);
}

/// The sum over the block, in an order that never changes; every thread gets it.
template <class T>
__device__ T block_sum(T value) {
  __shared__ T of_warp[block_warps];
  for (int delta = warp_threads / 2; delta > 0; delta /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, delta);
  if (threadIdx.x % warp_threads == 0) of_warp[threadIdx.x / warp_threads] = value;
  __syncthreads();
  T total = of_warp[0];
  for (int warp = 1; warp < block_warps; ++warp) total += of_warp[warp];
  __syncthreads();  // before the next call writes
  return total;
}

template <class T>
struct Scanned {
  T before;  ///< the sum over the threads before this one
  T total;   ///< over the block
};

template <class T>
__device__ Scanned<T> block_scan(T value) {
  __shared__ T of_warp[block_warps];
  const unsigned lane = threadIdx.x % warp_threads, warp = threadIdx.x / warp_threads;
  T sum = value;
  for (unsigned delta = 1; delta < warp_threads; delta *= 2) {
    const T other = __shfl_up_sync(0xFFFFFFFFu, sum, delta);
    if (lane >= delta) sum += other;
  }
  if (lane == warp_threads - 1) of_warp[warp] = sum;
  __syncthreads();
  Scanned<T> result{sum - value, 0};
  for (unsigned w = 0; w < block_warps; ++w) {
    if (w < warp) result.before += of_warp[w];
    result.total += of_warp[w];
  }
  __syncthreads();
  return result;
}

/// Replaces `count` values by the sums of those before them, by one block; returns the sum of all. The threads may see
/// the result at once, and must have seen each other's values before.
template <class T>
__device__ T scan_in_place(T* values, std::int64_t count) {
  T before = 0;
  for (std::int64_t begin = 0; begin < count; begin += block_threads) {
    const std::int64_t i = begin + threadIdx.x;
    const Scanned<T> scanned = block_scan(i < count ? values[i] : T{0});
    if (i < count) values[i] = before + scanned.before;
    before += scanned.total;
  }
  __syncthreads();
  return before;
}

/// For kernels that end with work on what `blocks` of their blocks wrote: true in the one of these that comes here
/// last, which then sees what the others wrote before they came. `ticket`: one of Op::ticket(), which no other blocks
/// use.
__device__ inline bool is_last_block(unsigned* ticket, unsigned blocks) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicInc(ticket, blocks - 1) == blocks - 1;  // back to 0 with the last
  __syncthreads();
  __threadfence();
  return last;
}

/// The same among all blocks of a grid of one dimension.
__device__ inline bool is_last_block(unsigned* ticket) { return is_last_block(ticket, gridDim.x); }

}  // namespace s2sam
