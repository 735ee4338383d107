#include "cuda/pool/window.hpp"

namespace s2sam::ops {

using namespace pool;

namespace {

float share_of(const Window& window) { return 1.0F / static_cast<float>(window.kernel_h * window.kernel_w); }

/// y = share * the sum over `from` pixels of `x`, whose rows are `width` pixels wide.
template <class T, int n>
__device__ void store_sum(const T* x, std::int64_t width, std::int64_t channels, Range rows, Range columns, float share,
                          T* y) {
  float sum[n]{};
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    for (std::int64_t column = columns.begin; column < columns.end; ++column) {
      const Chunk<T, n> in = load_chunk<n>(x + (row * width + column) * channels);
      for (int k = 0; k < n; ++k) sum[k] += in.at(k);
    }
  }
  Chunk<T, n> out;
  for (int k = 0; k < n; ++k) out.set(k, sum[k] * share);
  store_chunk(out, y);
}

template <class T, int n>
__global__ void forward_kernel(const T* x, Window window, Extents e, float share, std::int64_t items, T* y) {
  each_item(items, [&](std::int64_t item) {
    const Place at = place_of(item, e.pooled_height, e.pooled_width, e.channels / n, n);
    store_sum<T, n>(x + at.n * e.height * e.width * e.channels + at.channel, e.width, e.channels,
                    pixels_of(at.row, window.kernel_h, window.stride_h, window.pad_h, e.height),
                    pixels_of(at.column, window.kernel_w, window.stride_w, window.pad_w, e.width), share, y + item * n);
  });
}

/// Each pixel gathers from the windows that cover it.
template <class T, int n>
__global__ void backward_kernel(const T* dy, Window window, Extents e, float share, std::int64_t items, T* dx) {
  each_item(items, [&](std::int64_t item) {
    const Place at = place_of(item, e.height, e.width, e.channels / n, n);
    store_sum<T, n>(dy + at.n * e.pooled_height * e.pooled_width * e.channels + at.channel, e.pooled_width, e.channels,
                    windows_of(at.row, window.kernel_h, window.stride_h, window.pad_h, e.pooled_height),
                    windows_of(at.column, window.kernel_w, window.stride_w, window.pad_w,
                               e.pooled_width), share, dx + item * n);
  });
}

}  // namespace

void avg_pool_forward(Stream& stream, Tensor x, Window window, Tensor y) {
  stream.submit("avgPool", [&](const Op& op) {
    op.count({.bytes = bytes_of(x, y)});
    with_channels(x, [&](auto zero, auto size) {
      using T = decltype(zero);
      constexpr int n = decltype(size)::value;
      const std::int64_t items = y.shape.count() / n;
      launch(op, forward_kernel<T, n>, blocks_for(op, items), block_threads, x.as<const T>(), window, extents_of(x, y),
             share_of(window),
             items, y.as<T>());
    });
  });
}

void avg_pool_backward(Stream& stream, Tensor dy, Window window, Tensor dx) {
  stream.submit("avgPoolBackward", [&](const Op& op) {
    op.count({.bytes = bytes_of(dy, dx)});
    with_channels(dx, [&](auto zero, auto size) {
      using T = decltype(zero);
      constexpr int n = decltype(size)::value;
      const std::int64_t items = dx.shape.count() / n;
      launch(op, backward_kernel<T, n>, blocks_for(op, items), block_threads, dy.as<const T>(), window,
             extents_of(dx, dy),
             share_of(window), items, dx.as<T>());
    });
  });
}

}  // namespace s2sam::ops
