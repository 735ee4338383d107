#pragma once

#include <cstdint>
#include <type_traits>

#include "cuda/half.hpp"

/// Eight neighbouring elements at a time: what one thread of most kernels reads and writes. 16 bytes in 16 bit, twice
/// that in f32.
namespace s2sam {

constexpr int chunk_size = 8;

/// n neighbours in registers.
template <class T, int n = chunk_size>
struct Chunk {
  T value[n];

  __device__ float at(int i) const { return to_float(value[i]); }
  __device__ void set(int i, float x) { value[i] = from_float<T>(x); }
};

/// Elements moved by one load or store of a chunk.
template <class T, int n>
inline constexpr int chunk_part = n < vec_width<T> ? n : vec_width<T>;

/// `from` must be aligned to 16 bytes, or to n elements where that is less.
template <int n = chunk_size, class T>
__device__ Chunk<T, n> load_chunk(const T* from) {
  constexpr int width = chunk_part<T, n>;
  Chunk<T, n> chunk;
  for (int i = 0; i < n; i += width) {
    const auto part = *reinterpret_cast<const Vec<T, width>*>(from + i);
    for (int k = 0; k < width; ++k) chunk.value[i + k] = part.value[k];
  }
  return chunk;
}

template <int n, class T>
__device__ void store_chunk(const Chunk<T, n>& chunk, T* to) {
  constexpr int width = chunk_part<T, n>;
  for (int i = 0; i < n; i += width) {
    Vec<T, width> part;
    for (int k = 0; k < width; ++k) part.value[k] = chunk.value[i + k];
    *reinterpret_cast<Vec<T, width>*>(to + i) = part;
  }
}

/// `count` elements as chunks, of which the last may be partly filled, and none is moved at once where a tensor is not
/// aligned.
struct Span {
  std::int64_t count;
  bool aligned = true;

  __host__ __device__ std::int64_t chunks() const { return (count + chunk_size - 1) / chunk_size; }
  /// Of these, how many from the first on are moved at once.
  __host__ __device__ std::int64_t whole_chunks() const { return aligned ? count / chunk_size : 0; }

  /// `all`: the chunk is known to be one of the whole ones.
  template <bool all = false, class T>
  __device__ Chunk<T> load(const T* data, std::int64_t chunk) const {
    const std::int64_t first = chunk * chunk_size;
    if (all || chunk < whole_chunks()) return load_chunk(data + first);
    Chunk<T> some{};
    for (int i = 0; i < chunk_size; ++i) {
      if (first + i < count) some.value[i] = data[first + i];
    }
    return some;
  }

  template <bool all = false, class T>
  __device__ void store(const Chunk<T>& from, T* data, std::int64_t chunk) const {
    const std::int64_t first = chunk * chunk_size;
    if (all || chunk < whole_chunks()) return store_chunk(from, data + first);
    for (int i = 0; i < chunk_size; ++i) {
      if (first + i < count) data[first + i] = from.value[i];
    }
  }
};

inline bool is_aligned(const void* data) { return reinterpret_cast<std::uintptr_t>(data) % 16 == 0; }

/// Calls body(T{}, std::integral_constant of n): images [N, H, W, C] are of T, and a thread takes n neighbouring
/// channels, which are a chunk where C is a multiple of that and all tensors are aligned. Images are; a view may not be.
template <class Body>
void with_channels(const Tensor& image, bool aligned, const Body& body) {
  with_float_type(image.dtype, [&](auto zero) {
    if (aligned && image.shape[1] % chunk_size == 0) return body(zero, std::integral_constant<int, chunk_size>{});
    body(zero, std::integral_constant<int, 1>{});
  });
}

template <class Body>
void with_channels(const Tensor& image, const Body& body) {
  with_channels(image, true, body);
}

}  // namespace s2sam
