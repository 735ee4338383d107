#pragma once

#include <algorithm>

#include "cuda/chunk.hpp"
#include "cuda/launch.hpp"
#include "s2sam/ops.hpp"

/// How the kernels of pooling see images and windows; for .cu files alone.
namespace s2sam::pool {

/// The extents of one image and of what its windows make of it.
struct Extents {
  std::int64_t height, width, pooled_height, pooled_width, channels;
};

inline Extents extents_of(const Tensor& image, const Tensor& pooled) {
  return {image.shape[2], image.shape[3], pooled.shape[2], pooled.shape[3], image.shape[1]};
}

/// A pixel of image n and the first of the thread's channels, from the number of the chunk.
struct Place {
  std::int64_t n, row, column, channel;
};

__device__ inline Place place_of(std::int64_t item, std::int64_t height, std::int64_t width, std::int64_t chunks,
                                 int size) {
  const std::int64_t pixel = item / chunks, line = pixel / width;
  return {line / height, line % height, pixel % width, item % chunks * size};
}

/// Positions [begin, end).
struct Range {
  std::int64_t begin, end;
};

/// The pixels along one axis that lie in window number `at`.
__device__ inline Range pixels_of(std::int64_t at, int kernel, int stride, int pad, std::int64_t size) {
  const std::int64_t first = at * stride - pad;
  return {max(first, std::int64_t{0}), min(first + kernel, size)};
}

/// The windows along one axis that cover pixel `at`.
__device__ inline Range windows_of(std::int64_t at, int kernel, int stride, int pad, std::int64_t count) {
  const std::int64_t from = at + pad;
  const std::int64_t begin = from < kernel ? 0 : (from - kernel) / stride + 1;
  return {begin, min(from / stride + 1, count)};
}

}  // namespace s2sam::pool
