#include <limits>
#include <utility>

#include "cuda/pool/window.hpp"

namespace s2sam::ops {

using namespace pool;

namespace {

using Tap = std::uint8_t;

/// What a window chose so far. The first tap wins among equals and any NaN wins, as in PyTorch.
template <int n>
struct Best {
  float value[n];
  int winner[n];

  __device__ explicit Best(int first_tap) {
    for (int k = 0; k < n; ++k) {
      value[k] = -std::numeric_limits<float>::infinity();
      winner[k] = first_tap;
    }
  }

  template <class T>
  __device__ void meet(const Chunk<T, n>& in, int tap) {
    for (int k = 0; k < n; ++k) {
      const float seen = in.at(k);
      const bool wins = seen > value[k] || seen != seen;
      value[k] = wins ? seen : value[k];
      winner[k] = wins ? tap : winner[k];
    }
  }
};

template <int n, class T>
__device__ Best<n> best_of(const T* x, const Images& images, const Window& window, const Place& at) {
  const Range rows = pixels_of(at.row, window.kernel_h, window.stride_h, window.pad_h, images.height);
  const Range columns = pixels_of(at.column, window.kernel_w, window.stride_w, window.pad_w, images.width);
  const int first_row = at.row * window.stride_h - window.pad_h;
  const int first_column = at.column * window.stride_w - window.pad_w;
  Best<n> best((rows.begin - first_row) * window.kernel_w + columns.begin - first_column);
  for (int row = rows.begin; row < rows.end; ++row) {
    const T* from = images.row(x, at.image, row) + at.channel;
    const int tap = (row - first_row) * window.kernel_w - first_column;
    for (int column = columns.begin; column < columns.end; ++column) {
      best.meet(load_chunk<n>(from + column * images.channels), tap + column);
    }
  }
  return best;
}

/// ResNet's window, 3 x 3 in steps of 2 with padding 1, for which the compiler unrolls all loops.
struct ThreeByTwo {};

bool is_three_by_two(const Window& w) {
  return w.kernel_h == 3 && w.kernel_w == 3 && w.stride_h == 2 && w.stride_w == 2 && w.pad_h == 1 && w.pad_w == 1;
}

/// All loads come first, so that none waits for another. Of the taps outside the image each stands for the nearest one
/// inside, which is in the window as well: meeting a pixel twice changes nothing.
template <int n, class T>
__device__ Best<n> best_of(const T* x, const Images& images, ThreeByTwo, const Place& at) {
  const int first_row = 2 * at.row - 1, first_column = 2 * at.column - 1;
  const int row[] = {max(first_row, 0), first_row + 1, min(first_row + 2, images.height - 1)};
  const int column[] = {max(first_column, 0), first_column + 1, min(first_column + 2, images.width - 1)};
  Chunk<T, n> in[9];
  for (int i = 0; i < 9; ++i) {
    in[i] = load_chunk<n>(images.row(x, at.image, row[i / 3]) + column[i % 3] * images.channels + at.channel);
  }
  const auto tap = [&](int i) { return (row[i / 3] - first_row) * 3 + column[i % 3] - first_column; };
  Best<n> best(tap(0));
  for (int i = 0; i < 9; ++i) best.meet(in[i], tap(i));
  return best;
}

/// argmax lies as y does.
template <class T, int n, class Windows>
__global__ void forward_kernel(const T* x, Images images, Windows windows, Images pooled, T* y, Tap* argmax) {
  each_place<n>(pooled, [&](const Place& at) {
    const Best<n> best = best_of<n>(x, images, windows, at);
    Chunk<T, n> value;
    Chunk<Tap, n> winner;
    for (int k = 0; k < n; ++k) {
      value.set(k, best.value[k]);
      winner.value[k] = static_cast<Tap>(best.winner[k]);
    }
    const int to = at.column * pooled.channels + at.channel;
    store_chunk(value, pooled.row(y, at.image, at.row) + to);
    store_chunk(winner, pooled.row(argmax, at.image, at.row) + to);
  });
}

/// Each pixel gathers from the windows that chose it.
template <class T, int n>
__global__ void backward_kernel(const T* dy, const Tap* argmax, Images pooled, Window window, Images images, T* dx) {
  each_place<n>(images, [&](const Place& at) {
    const Range rows = windows_of(at.row, window.kernel_h, window.stride_h, window.pad_h, pooled.height);
    const Range columns = windows_of(at.column, window.kernel_w, window.stride_w, window.pad_w, pooled.width);
    float sum[n]{};
    for (int row = rows.begin; row < rows.end; ++row) {
      const int tap_row = at.row + window.pad_h - row * window.stride_h;
      for (int column = columns.begin; column < columns.end; ++column) {
        const int from = column * pooled.channels + at.channel;
        const Chunk<T, n> gradient = load_chunk<n>(pooled.row(dy, at.image, row) + from);
        const Chunk<Tap, n> winner = load_chunk<n>(pooled.row(argmax, at.image, row) + from);
        const int tap = tap_row * window.kernel_w + at.column + window.pad_w - column * window.stride_w;
        for (int k = 0; k < n; ++k) sum[k] += winner.value[k] == tap ? gradient.at(k) : 0.0F;
      }
    }
    Chunk<T, n> out;
    for (int k = 0; k < n; ++k) out.set(k, sum[k]);
    store_chunk(out, images.row(dx, at.image, at.row) + at.column * images.channels + at.channel);
  });
}

/// ThreeByTwo at `at` and the next ones to the right and below, which together are all that cover the 2 x 2 pixels from
/// the middle of the first on. Where there are no next ones, those before them are read, and nothing matches.
template <class T, int n>
struct Quad {
  Chunk<T, n> gradient[2][2];
  Chunk<Tap, n> winner[2][2];
  bool inside[2][2];

  __device__ Quad(const T* dy, const Tap* argmax, const Images& pooled, const Place& at) {
    for (int r = 0; r < 2; ++r) {
      for (int c = 0; c < 2; ++c) {
        const int row = min(at.row + r, pooled.height - 1), column = min(at.column + c, pooled.width - 1);
        const int from = column * pooled.channels + at.channel;
        inside[r][c] = row == at.row + r && column == at.column + c;
        gradient[r][c] = load_chunk<n>(pooled.row(dy, at.image, row) + from);
        winner[r][c] = load_chunk<n>(pooled.row(argmax, at.image, row) + from);
      }
    }
  }

  /// What one of the pixels gets. The first windows alone have taps in their middle row or column.
  template <int row, int column>
  __device__ Chunk<T, n> at() const {
    constexpr int none = 256;
    Chunk<T, n> out;
    for (int k = 0; k < n; ++k) {
      float sum = 0.0F;
      for (int r = 0; r <= row; ++r) {
        for (int c = 0; c <= column; ++c) {
          const int tap = inside[r][c] ? (row + 1 - 2 * r) * 3 + column + 1 - 2 * c : none;
          sum += winner[r][c].value[k] == tap ? gradient[r][c].at(k) : 0.0F;
        }
      }
      out.set(k, sum);
    }
    return out;
  }
};

/// The same for ThreeByTwo: a thread takes 2 x 2 pixels.
template <class T, int n>
__global__ void backward_quad_kernel(const T* dy, const Tap* argmax, Images pooled, Images images, T* dx) {
  each_place<n>(pooled, [&](const Place& at) {
    const Quad<T, n> quad(dy, argmax, pooled, at);
    const auto store = [&]<int r, int c>(std::integer_sequence<int, r, c>) {
      const int row = 2 * at.row + r, column = 2 * at.column + c;
      if (row >= images.height || column >= images.width) return;
      store_chunk(quad.template at<r, c>(), images.row(dx, at.image, row) + column * images.channels + at.channel);
    };
    store(std::integer_sequence<int, 0, 0>{});
    store(std::integer_sequence<int, 0, 1>{});
    store(std::integer_sequence<int, 1, 0>{});
    store(std::integer_sequence<int, 1, 1>{});
  });
}

}  // namespace

void max_pool_forward(Stream& stream, Tensor x, Window window, Tensor y, Tensor argmax) {
  stream.submit("maxPool", [&](const Op& op) {
    op.count({.bytes = bytes_of(x, y, argmax)});
    with_channels(x, [&](auto zero, auto size) {
      using T = decltype(zero);
      constexpr int n = decltype(size)::value;
      const Images images = images_of(x), pooled = images_of(y);
      const auto run = [&](auto windows) {
        launch(op, forward_kernel<T, n, decltype(windows)>, row_blocks(pooled), row_threads(pooled, n),
               x.as<const T>(), images, windows, pooled, y.as<T>(), argmax.as<Tap>());
      };
      if (is_three_by_two(window)) return run(ThreeByTwo{});
      run(window);
    });
  });
}

void max_pool_backward(Stream& stream, Tensor dy, Tensor argmax, Window window, Tensor dx) {
  stream.submit("maxPoolBackward", [&](const Op& op) {
    op.count({.bytes = bytes_of(dy, argmax, dx)});
    with_channels(dx, is_aligned(argmax.data), [&](auto zero, auto size) {
      using T = decltype(zero);
      constexpr int n = decltype(size)::value;
      const Images images = images_of(dx), pooled = images_of(dy);
      const auto* const from = dy.as<const T>();
      const auto* const taps = argmax.as<const Tap>();
      if (is_three_by_two(window)) {
        launch(op, backward_quad_kernel<T, n>, row_blocks(pooled), row_threads(pooled, n), from, taps, pooled, images,
               dx.as<T>());
      } else {
        launch(op, backward_kernel<T, n>, row_blocks(images), row_threads(images, n), from, taps, pooled, window,
               images, dx.as<T>());
      }
    });
  });
}

}  // namespace s2sam::ops
