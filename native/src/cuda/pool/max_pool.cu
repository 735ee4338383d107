#include <limits>

#include "cuda/pool/window.hpp"

namespace s2sam::ops {

using namespace pool;

namespace {

using Tap = std::uint8_t;

constexpr float lowest = -std::numeric_limits<float>::infinity();

/// argmax lies as y does. The first tap wins among equals and any NaN wins, as in PyTorch.
template <class T, int n>
__global__ void forward_kernel(const T* x, Window window, Extents e, std::int64_t items, T* y, Tap* argmax) {
  each_item(items, [&](std::int64_t item) {
    const Place at = place_of(item, e.pooled_height, e.pooled_width, e.channels / n, n);
    const Range rows = pixels_of(at.row, window.kernel_h, window.stride_h, window.pad_h, e.height);
    const Range columns = pixels_of(at.column, window.kernel_w, window.stride_w, window.pad_w, e.width);
    const std::int64_t first_row = at.row * window.stride_h - window.pad_h;
    const std::int64_t first_column = at.column * window.stride_w - window.pad_w;
    Chunk<T, n> best;
    Chunk<Tap, n> winner;
    for (int k = 0; k < n; ++k) {
      best.set(k, lowest);
      winner.value[k] = static_cast<Tap>((rows.begin - first_row) * window.kernel_w + columns.begin - first_column);
    }
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      for (std::int64_t column = columns.begin; column < columns.end; ++column) {
        const std::int64_t from = ((at.n * e.height + row) * e.width + column) * e.channels + at.channel;
        const Chunk<T, n> in = load_chunk<n>(x + from);
        const auto tap = static_cast<Tap>((row - first_row) * window.kernel_w + column - first_column);
        for (int k = 0; k < n; ++k) {
          const float value = in.at(k);
          if (value > best.at(k) || value != value) {
            best.value[k] = in.value[k];
            winner.value[k] = tap;
          }
        }
      }
    }
    store_chunk(best, y + item * n);
    store_chunk(winner, argmax + item * n);
  });
}

/// Each pixel gathers from the windows that chose it.
template <class T, int n>
__global__ void backward_kernel(const T* dy, const Tap* argmax, Window window, Extents e, std::int64_t items, T* dx) {
  each_item(items, [&](std::int64_t item) {
    const Place at = place_of(item, e.height, e.width, e.channels / n, n);
    const Range rows = windows_of(at.row, window.kernel_h, window.stride_h, window.pad_h, e.pooled_height);
    const Range columns = windows_of(at.column, window.kernel_w, window.stride_w, window.pad_w, e.pooled_width);
    float sum[n]{};
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      for (std::int64_t column = columns.begin; column < columns.end; ++column) {
        const std::int64_t from = ((at.n * e.pooled_height + row) * e.pooled_width + column) * e.channels + at.channel;
        const Chunk<T, n> gradient = load_chunk<n>(dy + from);
        const Chunk<Tap, n> winner = load_chunk<n>(argmax + from);
        const std::int64_t tap = (at.row + window.pad_h - row * window.stride_h) * window.kernel_w +
                                 (at.column + window.pad_w - column * window.stride_w);
        for (int k = 0; k < n; ++k) sum[k] += winner.value[k] == tap ? gradient.at(k) : 0.0F;
      }
    }
    Chunk<T, n> out;
    for (int k = 0; k < n; ++k) out.set(k, sum[k]);
    store_chunk(out, dx + item * n);
  });
}

}  // namespace

void max_pool_forward(Stream& stream, Tensor x, Window window, Tensor y, Tensor argmax) {
  stream.submit("maxPool", [&](const Op& op) {
    op.count({.bytes = bytes_of(x, y, argmax)});
    with_channels(x, [&](auto zero, auto size) {
      using T = decltype(zero);
      constexpr int n = decltype(size)::value;
      const std::int64_t items = y.shape.count() / n;
      launch(op, forward_kernel<T, n>, blocks_for(op, items), block_threads, x.as<const T>(), window, extents_of(x, y),
             items, y.as<T>(),
             argmax.as<Tap>());
    });
  });
}

void max_pool_backward(Stream& stream, Tensor dy, Tensor argmax, Window window, Tensor dx) {
  stream.submit("maxPoolBackward", [&](const Op& op) {
    op.count({.bytes = bytes_of(dy, argmax, dx)});
    with_channels(dx, is_aligned(argmax.data), [&](auto zero, auto size) {
      using T = decltype(zero);
      constexpr int n = decltype(size)::value;
      const std::int64_t items = dx.shape.count() / n;
      launch(op, backward_kernel<T, n>, blocks_for(op, items), block_threads, dy.as<const T>(), argmax.as<const Tap>(),
             window,
             extents_of(dx, dy), items, dx.as<T>());
    });
  });
}

}  // namespace s2sam::ops
