#pragma once

#include <algorithm>
#include <limits>

#include "cuda/chunk.hpp"
#include "cuda/launch.hpp"
#include "s2sam/ops.hpp"

/// How the kernels of pooling see images and windows; for .cu files alone.
namespace s2sam::pool {

/// Images [N, H, W, C]. An element's place in its row fits 32 bits, in which indices cost a GPU a fraction of what they
/// cost in 64.
struct Images {
  int count, height, width, channels;

  template <class T>
  __device__ T* row(T* data, int image, int row) const {
    return data + (std::int64_t{image} * height + row) * (std::int64_t{width} * channels);
  }
};

inline Images images_of(const Tensor& x) {
  constexpr std::int64_t most = std::numeric_limits<int>::max();
  if (x.shape[0] > most || x.shape[2] > most || x.shape[3] * x.shape[1] > most) {
    throw Error(Code::argument, "pooling", "images " + x.shape.string() + " are more than a GPU's indices reach");
  }
  const auto extent = [&](int axis) { return static_cast<int>(x.shape[axis]); };
  return {extent(0), extent(2), extent(3), extent(1)};
}

/// A pixel and the first of the thread's channels.
struct Place {
  int image, row, column, channel;
};

/// Blocks and threads for a kernel that calls each_place.
inline dim3 row_blocks(const Images& images) {
  return {static_cast<unsigned>(images.height), static_cast<unsigned>(std::min(images.count, 65535))};
}
inline dim3 row_threads(const Images& images, int n) {
  constexpr unsigned warp = 32;
  const auto items = static_cast<unsigned>(images.width * (images.channels / n));
  const unsigned turns = (items + block_threads - 1) / block_threads;
  return {((items + turns - 1) / turns + warp - 1) / warp * warp};
}

/// Calls body(Place) for all pixels of the images, n channels at a time: a block takes a row of one image, so that only
/// the column is left to be divided out.
template <int n, class Body>
__device__ void each_place(const Images& images, const Body& body) {
  const auto chunks = static_cast<unsigned>(images.channels / n), items = images.width * chunks;
  for (auto image = static_cast<int>(blockIdx.y); image < images.count; image += static_cast<int>(gridDim.y)) {
    for (unsigned i = threadIdx.x; i < items; i += blockDim.x) {
      const auto column = static_cast<int>(i / chunks), chunk = static_cast<int>(i % chunks);
      body(Place{image, static_cast<int>(blockIdx.x), column, chunk * n});
    }
  }
}

/// Positions [begin, end).
struct Range {
  int begin, end;
};

/// The pixels along one axis that lie in window number `at`.
__device__ inline Range pixels_of(int at, int kernel, int stride, int pad, int size) {
  const int first = at * stride - pad;
  return {max(first, 0), min(first + kernel, size)};
}

/// The windows along one axis that cover pixel `at`.
__device__ inline Range windows_of(int at, int kernel, int stride, int pad, int count) {
  const int from = at + pad;
  const int begin = from < kernel ? 0 : (from - kernel) / stride + 1;
  return {begin, min(from / stride + 1, count)};
}

}  // namespace s2sam::pool
