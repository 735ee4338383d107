#include "cuda/columns.hpp"
#include "cuda/pool/window.hpp"

namespace s2sam::ops {

using namespace pool;

namespace {

/// A block for some channels of one image.
template <class T, int n>
__global__ void forward_kernel(const T* x, std::int64_t pixels, std::int64_t channels, BlockColumns block,
                               std::int64_t tiles, T* y) {
  const std::int64_t image = blockIdx.x / tiles, first = blockIdx.x % tiles * block.across * n;
  const std::int64_t channel = first + block.column() * n;
  float sum[n]{};
  if (channel < channels) {
    for (std::int64_t pixel = block.row(); pixel < pixels; pixel += block.rows()) {
      const Chunk<T, n> in = load_chunk<n>(x + (image * pixels + pixel) * channels + channel);
      for (int k = 0; k < n; ++k) sum[k] += in.at(k);
    }
  }
  double kinds[n];
  for (int k = 0; k < n; ++k) kinds[k] = static_cast<double>(sum[k]);
  const double total = column_sums(kinds, block);
  const int number = static_cast<int>(threadIdx.x);
  const std::int64_t out = first + number % block.across * n + number / block.across;
  if (number < n * block.across && out < channels) {
    y[image * channels + out] = from_float<T>(static_cast<float>(total / static_cast<double>(pixels)));
  }
}

template <class T, int n>
__global__ void backward_kernel(const T* dy, std::int64_t pixels, std::int64_t chunks, float share, std::int64_t items,
                                T* dx) {
  each_item(items, [&](std::int64_t item) {
    const std::int64_t image = item / chunks / pixels;
    Chunk<T, n> pixel = load_chunk<n>(dy + (image * chunks + item % chunks) * n);
    for (int k = 0; k < n; ++k) pixel.set(k, pixel.at(k) * share);
    store_chunk(pixel, dx + item * n);
  });
}

}  // namespace

void global_avg_pool_forward(Stream& stream, Tensor x, Tensor y) {
  stream.submit("globalAvgPool", [&](const Op& op) {
    op.count({.bytes = bytes_of(x, y)});
    with_channels(x, [&](auto zero, auto size) {
      using T = decltype(zero);
      constexpr int n = decltype(size)::value;
      const std::int64_t channels = x.shape[1], pixels = x.shape[2] * x.shape[3];
      const auto block = BlockColumns::over(channels, n);
      const std::int64_t tiles = (channels + block.across * n - 1) / (block.across * n);
      launch(op, forward_kernel<T, n>, static_cast<unsigned>(x.shape[0] * tiles), block_threads, x.as<const T>(),
             pixels, channels, block,
             tiles, y.as<T>());
    });
  });
}

void global_avg_pool_backward(Stream& stream, Tensor dy, Tensor dx) {
  stream.submit("globalAvgPoolBackward", [&](const Op& op) {
    op.count({.bytes = bytes_of(dy, dx)});
    with_channels(dx, is_aligned(dy.data), [&](auto zero, auto size) {
      using T = decltype(zero);
      constexpr int n = decltype(size)::value;
      const std::int64_t items = dx.shape.count() / n, pixels = dx.shape[2] * dx.shape[3];
      launch(op, backward_kernel<T, n>, blocks_for(op, items), block_threads, dy.as<const T>(), pixels, dx.shape[1] / n,
             1.0F / static_cast<float>(pixels), items, dx.as<T>());
    });
  });
}

}  // namespace s2sam::ops
