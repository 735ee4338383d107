#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "cuda/block.hpp"

/// Sums down the columns of a matrix, such as images seen as [N * H * W, C]; for .cu files alone.
namespace s2sam {

/// How a block of `block_threads` stands over some columns, of which each thread takes n neighbours: `across` threads
/// side by side, the next `across` of them one row further down.
struct BlockColumns {
  int across;  ///< a power of two

  /// Few columns, which lets many blocks share the work; but 64 bytes of them, so that whole sectors are read.
  static constexpr int most = 32;
  static BlockColumns over(std::int64_t columns, int n) {
    const std::int64_t wanted = (std::min<std::int64_t>(columns, most) + n - 1) / n;
    return {static_cast<int>(std::bit_ceil(static_cast<unsigned>(wanted)))};
  }

  __host__ __device__ int rows() const { return block_threads / across; }
  __device__ int row() const { return static_cast<int>(threadIdx.x) / across; }
  __device__ int column() const { return static_cast<int>(threadIdx.x) % across; }
};

/// The threads t, t + sums, t + 2 * sums, ... bring parts of sum number t % sums; each gets all of it.
__device__ inline double join_parts(double part, int sums) {
  __shared__ double staged[block_threads];
  staged[threadIdx.x] = part;
  __syncthreads();
  double total = 0.0;
  for (int i = static_cast<int>(threadIdx.x) % sums; i < block_threads; i += sums) total += staged[i];
  __syncthreads();  // before the next call writes
  return total;
}

/// Every thread brings a value of each of `kinds` kinds for its column. Returns sum number t % (kinds * across) to
/// thread t, where sum number k * across + column is of kind k; in an order that never changes. kinds * across is at
/// most block_threads.
template <int kinds>
__device__ double column_sums(const double (&value)[kinds], BlockColumns block) {
  // Kinds lie `across` further apart than the threads are many, so that neither writing nor reading meets in one memory
  // bank.
  __shared__ double staged[(kinds + 1) * block_threads];
  const int sums = kinds * block.across, parts = block_threads / sums, apart = block_threads + block.across;
  for (int k = 0; k < kinds; ++k) staged[k * apart + static_cast<int>(threadIdx.x)] = value[k];
  __syncthreads();
  const int sum = static_cast<int>(threadIdx.x) % sums;
  const double* first = staged + sum / block.across * apart + sum % block.across;
  double part = 0.0;
  for (int row = static_cast<int>(threadIdx.x) / sums; row < block.rows(); row += parts) {
    part += first[row * block.across];
  }
  return join_parts(part, sums);
}

}  // namespace s2sam
