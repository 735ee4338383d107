#pragma once

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "cuda/chunk.hpp"
#include "cuda/launch.hpp"

/// How kernels walk over images [N, H, W, C] chunk by chunk so that a thread meets the same eight channels in all of
/// its chunks, also where C is no multiple of eight; for .cu files alone.
namespace s2sam::norm {

/// So many blocks of a kernel that walks over images of T fit on a multiprocessor at once; kernels say so to the compiler.
template <class T>
constexpr int walk_blocks_at_once = sizeof(T) == 2 ? 3 : 2;

/// Blocks for a Walk over x: as many as fit at once, and their threads together step over whole rounds of the channels.
template <class T>
unsigned walk_blocks(const Op& op, const Tensor& x) {
  const std::int64_t channels = x.shape[1], period = channels / std::gcd(channels, std::int64_t{chunk_size});
  const std::int64_t unit = period / std::gcd(period, std::int64_t{block_threads});
  const std::int64_t wanted = (Span{x.shape.count()}.chunks() + block_threads - 1) / block_threads;
  const std::int64_t blocks = std::min(wanted, std::int64_t{op.limits().processors} * walk_blocks_at_once<T>);
  return static_cast<unsigned>((blocks + unit - 1) / unit * unit);
}

/// The values of one kind for the channels of a thread.
struct OfChannels {
  float value[chunk_size];

  /// From data[C], for the chunk whose first element is of channel `first`.
  __device__ OfChannels(const float* data, std::int64_t first, std::int64_t channels) {
    if (channels % chunk_size == 0 && reinterpret_cast<std::uintptr_t>(data) % 16 == 0) {
      const Chunk<float> chunk = load_chunk(data + first);
      for (int k = 0; k < chunk_size; ++k) value[k] = chunk.value[k];
      return;
    }
    for (int k = 0; k < chunk_size; ++k) value[k] = data[(first + k) % channels];
  }
  __device__ float operator[](int k) const { return value[k]; }
};

/// The chunks of a thread: its first, how far apart they are, and the channel that each begins with.
struct Walk {
  std::int64_t chunk, step, channel;

  __device__ explicit Walk(std::int64_t channels)
      : chunk(std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x),
        step(std::int64_t{gridDim.x} * blockDim.x),
        channel(chunk * chunk_size % channels) {}
};

/// Calls take(load(i, whole), whole) for i = begin, begin + step, ... below end, with `depth` loads at a time under way;
/// `whole` is std::true_type for those, which are below that number, and std::false_type for what is left at the end.
template <int depth, class Load, class Take>
__device__ void each_ahead(std::int64_t begin, std::int64_t whole, std::int64_t end, std::int64_t step,
                           const Load& load,
                           const Take& take) {
  std::int64_t i = begin;
  for (; i + (depth - 1) * step < whole; i += depth * step) {
    decltype(load(i, std::true_type{})) loaded[depth];
    for (int k = 0; k < depth; ++k) loaded[k] = load(i + k * step, std::true_type{});
    for (int k = 0; k < depth; ++k) take(loaded[k], std::true_type{});
  }
  for (; i < end; i += step) take(load(i, std::false_type{}), std::false_type{});
}

/// The same where all are alike; load takes i alone. Of what is left at the end all loads are under way too.
template <int depth, class Load, class Take>
__device__ void each_ahead(std::int64_t begin, std::int64_t end, std::int64_t step, const Load& load,
                           const Take& take) {
  std::int64_t i = begin;
  for (; i + (depth - 1) * step < end; i += depth * step) {
    decltype(load(i)) loaded[depth];
    for (int k = 0; k < depth; ++k) loaded[k] = load(i + k * step);
    for (int k = 0; k < depth; ++k) take(loaded[k]);
  }
  if (i >= end) return;
  decltype(load(i)) loaded[depth];
  for (int k = 0; k < depth; ++k) loaded[k] = load(i + k * step < end ? i + k * step : i);
  for (int k = 0; k < depth; ++k) {
    if (i + k * step < end) take(loaded[k]);
  }
}

}  // namespace s2sam::norm
