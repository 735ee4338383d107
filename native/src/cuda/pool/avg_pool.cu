#include "cuda/pool/window.hpp"

namespace s2sam::ops {

using namespace pool;

namespace {

float share_of(const Window& window) { return 1.0F / static_cast<float>(window.kernel_h * window.kernel_w); }

/// to = share * the sum over some pixels of one of the images, for n channels from `channel` on.
template <int n, class T>
__device__ void store_sum(const T* data, const Images& images, int image, int channel, Range rows, Range columns,
                          float share, T* to) {
  float sum[n]{};
  for (int row = rows.begin; row < rows.end; ++row) {
    const T* from = images.row(data, image, row) + channel;
    for (int column = columns.begin; column < columns.end; ++column) {
      const Chunk<T, n> in = load_chunk<n>(from + column * images.channels);
      for (int k = 0; k < n; ++k) sum[k] += in.at(k);
    }
  }
  Chunk<T, n> out;
  for (int k = 0; k < n; ++k) out.set(k, sum[k] * share);
  store_chunk(out, to);
}

template <class T, int n>
__global__ void forward_kernel(const T* x, Images images, Window window, Images pooled, float share, T* y) {
  each_place<n>(pooled, [&](const Place& at) {
    store_sum<n>(x, images, at.image, at.channel,
                 pixels_of(at.row, window.kernel_h, window.stride_h, window.pad_h, images.height),
                 pixels_of(at.column, window.kernel_w, window.stride_w, window.pad_w, images.width), share,
                 pooled.row(y, at.image, at.row) + at.column * pooled.channels + at.channel);
  });
}

/// Each pixel gathers from the windows that cover it.
template <class T, int n>
__global__ void backward_kernel(const T* dy, Images pooled, Window window, Images images, float share, T* dx) {
  each_place<n>(images, [&](const Place& at) {
    store_sum<n>(dy, pooled, at.image, at.channel,
                 windows_of(at.row, window.kernel_h, window.stride_h, window.pad_h, pooled.height),
                 windows_of(at.column, window.kernel_w, window.stride_w, window.pad_w, pooled.width), share,
                 images.row(dx, at.image, at.row) + at.column * images.channels + at.channel);
  });
}

}  // namespace

void avg_pool_forward(Stream& stream, Tensor x, Window window, Tensor y) {
  stream.submit("avgPool", [&](const Op& op) {
    op.count({.bytes = bytes_of(x, y)});
    with_channels(x, [&](auto zero, auto size) {
      using T = decltype(zero);
      constexpr int n = decltype(size)::value;
      const Images images = images_of(x), pooled = images_of(y);
      launch(op, forward_kernel<T, n>, row_blocks(pooled), row_threads(pooled, n), x.as<const T>(), images, window,
             pooled, share_of(window), y.as<T>());
    });
  });
}

void avg_pool_backward(Stream& stream, Tensor dy, Window window, Tensor dx) {
  stream.submit("avgPoolBackward", [&](const Op& op) {
    op.count({.bytes = bytes_of(dy, dx)});
    with_channels(dx, [&](auto zero, auto size) {
      using T = decltype(zero);
      constexpr int n = decltype(size)::value;
      const Images images = images_of(dx), pooled = images_of(dy);
      launch(op, backward_kernel<T, n>, row_blocks(images), row_threads(images, n), dy.as<const T>(), pooled, window,
             images, share_of(window), dx.as<T>());
    });
  });
}

}  // namespace s2sam::ops
