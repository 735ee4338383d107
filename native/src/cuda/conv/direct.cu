#include <algorithm>
#include <type_traits>

#include "cuda/conv/direct.hpp"
#include "cuda/conv/weights.hpp"
#include "cuda/half.hpp"
#include "cuda/launch.hpp"

namespace s2sam::conv {

namespace {

/// Every pass is a matrix product. Its depth is walked in chunks:
///   forward  y  [pixels of y, o]   = windows of x  [., taps * c] * w [taps * c, o]
///   data     dx [pixels of x, c]   = windows of dy [., taps * o] * w [taps * o, c]
///   weight   dw [taps * c, o]      = windows of x^T [., pixels of y] * dy [pixels of y, o]
constexpr int chunk = 16;
constexpr int threads = 256;
constexpr int part = 4;  // a thread's share of the tile is part x part

struct Geometry {
  int c, h, w, o, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
  int pixels_in, pixels_out;
};

/// A chunk of both factors, the tile's rows and columns innermost. The padding spreads them over the banks. Aligned as
/// Four is, through which it is read.
template <int rows, int columns>
struct alignas(16) Chunk {
  float a[chunk][rows + part];
  float b[chunk][columns + part];
};

struct alignas(16) Four {
  float value[part];
};

/// sum += a^T b for the thread's share.
template <int rows, int columns>
__device__ void multiply(const Chunk<rows, columns>& shared, float (&sum)[part][part]) {
  const int row = static_cast<int>(threadIdx.x) / (columns / part) * part;
  const int column = static_cast<int>(threadIdx.x) % (columns / part) * part;
  for (int k = 0; k < chunk; ++k) {
    const Four a = *reinterpret_cast<const Four*>(&shared.a[k][row]);
    const Four b = *reinterpret_cast<const Four*>(&shared.b[k][column]);
    for (int i = 0; i < part; ++i) {
      for (int j = 0; j < part; ++j) sum[i][j] += a.value[i] * b.value[j];
    }
  }
}

/// Walks the depth [begin, end): fetches the next chunk into registers while the present one is multiplied.
template <int rows, int columns, class Fetch>
__device__ void accumulate(int begin, int end, Fetch& fetch, float (&sum)[part][part]) {
  __shared__ Chunk<rows, columns> shared;
  fetch.load(begin, end);
  for (int k = begin; k < end; k += chunk) {
    fetch.store(shared);
    __syncthreads();
    if (k + chunk < end) fetch.load(k + chunk, end);
    multiply(shared, sum);
    __syncthreads();
  }
}

/// A window's place: the image's first pixel, and the row and column that tap (0, 0) meets, before strides are divided
/// out.
struct Place {
  std::int64_t first;
  int row, column;
};

/// A tap along one axis of a backward pass: the index in dy, or -1 where no window has its tap there.
__device__ inline int met(int position, int stride, int size) {
  return position < 0 || position % stride != 0 || position / stride >= size ? -1 : position / stride;
}

/// Factors of forward and data: neighbouring threads take neighbouring channels, which lie side by side in the images.
template <class T, class W, bool backward, int rows, int columns>
struct WindowFetch {
  static constexpr int per_pass = threads / chunk;
  static constexpr int a_count = rows / per_pass, b_count = columns / per_pass;

  const Geometry& g;
  const T* __restrict__ images;
  const W* __restrict__ weights;
  int channels, tap_row, tap_column, channel, first_column;
  Place place[a_count];
  float a[a_count], b[b_count];

  __device__ WindowFetch(const Geometry& geometry, const T* from, const W* w) : g(geometry), images(from), weights(w) {
    channels = backward ? g.o : g.c;
    const int k = static_cast<int>(threadIdx.x) % chunk;
    const int tap = k / channels;
    channel = k % channels;
    tap_row = tap / g.kernel_w;
    tap_column = tap % g.kernel_w;
    first_column = static_cast<int>(blockIdx.y) * columns;
    for (int i = 0; i < a_count; ++i) place[i] = placed(static_cast<std::int64_t>(blockIdx.x) * rows + row(i));
  }

  static __device__ int row(int i) { return static_cast<int>(threadIdx.x) / chunk + i * per_pass; }

  __device__ Place placed(std::int64_t wide) const {
    if (wide >= (backward ? g.pixels_in : g.pixels_out)) return {-1, 0, 0};
    const int pixel = static_cast<int>(wide);
    if (backward) {
      const int column = pixel % g.w, rest = pixel / g.w;
      return {std::int64_t{rest / g.h} * g.out_h * g.out_w, rest % g.h + g.pad_h, column + g.pad_w};
    }
    const int column = pixel % g.out_w, rest = pixel / g.out_w;
    return {std::int64_t{rest / g.out_h} * g.h * g.w, rest % g.out_h * g.stride_h - g.pad_h, column * g.stride_w - g.pad_w};
  }

  __device__ float image(const Place& at) const {
    int row, column;
    if (at.first < 0) return 0;
    if (backward) {
      row = met(at.row - tap_row, g.stride_h, g.out_h);
      column = met(at.column - tap_column, g.stride_w, g.out_w);
      if (row < 0 || column < 0) return 0;
    } else {
      row = at.row + tap_row;
      column = at.column + tap_column;
      if (row < 0 || row >= g.h || column < 0 || column >= g.w) return 0;
    }
    return to_float(images[(at.first + std::int64_t{row} * (backward ? g.out_w : g.w) + column) * channels + channel]);
  }

  __device__ float weight(int column) const {
    if (column >= (backward ? g.c : g.o)) return 0;
    const std::int64_t filter = backward ? channel : column, input = backward ? column : channel;
    return to_float(weights[(filter * g.c + input) * (g.kernel_h * g.kernel_w) + tap_row * g.kernel_w + tap_column]);
  }

  /// Chunks come in order, so the tap and the channel advance.
  __device__ void load(int begin, int) {
    if (begin > 0) {
      channel += chunk;
      while (channel >= channels) {
        channel -= channels;
        if (++tap_column == g.kernel_w) {
          tap_column = 0;
          ++tap_row;
        }
      }
    }
    const bool inside = tap_row < g.kernel_h;
    for (int i = 0; i < a_count; ++i) a[i] = inside ? image(place[i]) : 0.0F;
    for (int i = 0; i < b_count; ++i) b[i] = inside ? weight(first_column + row(i)) : 0.0F;
  }

  __device__ void store(Chunk<rows, columns>& shared) const {
    const int k = static_cast<int>(threadIdx.x) % chunk;
    for (int i = 0; i < a_count; ++i) shared.a[k][row(i)] = a[i];
    for (int i = 0; i < b_count; ++i) shared.b[k][row(i)] = b[i];
  }
};

/// y, or with `backward` dx: blocks (tiles of pixels, tiles of channels).
template <class T, class W, bool backward, int rows, int columns>
__global__ void correlate(Geometry g, const T* from, const W* weights, bool add, T* to) {
  WindowFetch<T, W, backward, rows, columns> fetch(g, from, weights);
  float sum[part][part] = {};
  accumulate<rows, columns>(0, fetch.channels * g.kernel_h * g.kernel_w, fetch, sum);

  const int channels = backward ? g.c : g.o, pixels = backward ? g.pixels_in : g.pixels_out;
  const std::int64_t first_row = std::int64_t{blockIdx.x} * rows + threadIdx.x / (columns / part) * part;
  const int first_column = static_cast<int>(blockIdx.y * columns + threadIdx.x % (columns / part) * part);
  for (int i = 0; i < part; ++i) {
    for (int j = 0; j < part; ++j) {
      if (first_row + i >= pixels || first_column + j >= channels) continue;
      T& y = to[(first_row + i) * channels + first_column + j];
      y = from_float<T>(add ? to_float(y) + sum[i][j] : sum[i][j]);
    }
  }
}

/// Factors of weight: neighbouring threads take neighbouring channels of one pixel.
template <class T, int rows, int columns>
struct PixelFetch {
  static constexpr int a_step = threads / rows, b_step = threads / columns;
  static constexpr int a_count = chunk / a_step, b_count = chunk / b_step;

  const Geometry& g;
  const T* __restrict__ x;
  const T* __restrict__ dy;
  int channel, tap_row, tap_column, filter;
  bool row_inside;
  float a[a_count], b[b_count];

  __device__ PixelFetch(const Geometry& geometry, const T* images, const T* gradients) : g(geometry), x(images), dy(gradients) {
    const int row = static_cast<int>(blockIdx.x * rows + threadIdx.x % rows);
    row_inside = row < g.c * g.kernel_h * g.kernel_w;
    channel = row % g.c;
    tap_row = row / g.c / g.kernel_w;
    tap_column = row / g.c % g.kernel_w;
    filter = static_cast<int>(blockIdx.y * columns + threadIdx.x % columns);
  }

  __device__ float image(int pixel) const {
    const int column = pixel % g.out_w, rest = pixel / g.out_w;
    const int at_row = rest % g.out_h * g.stride_h - g.pad_h + tap_row, at_column = column * g.stride_w - g.pad_w + tap_column;
    if (at_row < 0 || at_row >= g.h || at_column < 0 || at_column >= g.w) return 0;
    return to_float(x[((std::int64_t{rest / g.out_h} * g.h + at_row) * g.w + at_column) * g.c + channel]);
  }

  __device__ void load(int begin, int end) {
    const int t = static_cast<int>(threadIdx.x);
    for (int i = 0; i < a_count; ++i) {
      const int pixel = begin + t / rows + i * a_step;
      a[i] = row_inside && pixel < end ? image(pixel) : 0.0F;
    }
    for (int i = 0; i < b_count; ++i) {
      const int pixel = begin + t / columns + i * b_step;
      b[i] = filter < g.o && pixel < end ? to_float(dy[std::int64_t{pixel} * g.o + filter]) : 0.0F;
    }
  }

  __device__ void store(Chunk<rows, columns>& shared) const {
    const int t = static_cast<int>(threadIdx.x);
    for (int i = 0; i < a_count; ++i) shared.a[t / rows + i * a_step][t % rows] = a[i];
    for (int i = 0; i < b_count; ++i) shared.b[t / columns + i * b_step][t % columns] = b[i];
  }
};

/// parts [slices, o, taps, c]: blocks (tiles of taps and channels, tiles of filters, slices of the pixels).
template <class T, int rows, int columns>
__global__ void gather_gradient(Geometry g, const T* x, const T* dy, int slice, float* parts) {
  PixelFetch<T, rows, columns> fetch(g, x, dy);
  float sum[part][part] = {};
  const int begin = static_cast<int>(blockIdx.z) * slice;
  accumulate<rows, columns>(begin, min(begin + slice, g.pixels_out), fetch, sum);

  const int depth = g.c * g.kernel_h * g.kernel_w;
  const int first_row = static_cast<int>(blockIdx.x * rows + threadIdx.x / (columns / part) * part);
  const int first_column = static_cast<int>(blockIdx.y * columns + threadIdx.x % (columns / part) * part);
  for (int j = 0; j < part; ++j) {
    for (int i = 0; i < part; ++i) {
      if (first_row + i >= depth || first_column + j >= g.o) continue;
      parts[(std::int64_t{blockIdx.z} * g.o + first_column + j) * depth + first_row + i] = sum[i][j];
    }
  }
}

constexpr int wide = 64;  // columns of a tile, unless there are but few
constexpr int narrow = 16;

constexpr std::int64_t tiles(std::int64_t count, int size) { return (count + size - 1) / size; }

/// Calls body(rows, columns) with the tile's extents as constants.
template <class Body>
void with_tile(std::int64_t columns, const Body& body) {
  if (columns <= narrow) {
    body(std::integral_constant<int, threads * part * part / narrow>(), std::integral_constant<int, narrow>());
  } else {
    body(std::integral_constant<int, threads * part * part / wide>(), std::integral_constant<int, wide>());
  }
}

Geometry geometry_of(const Problem& p) {
  const auto small = [](std::int64_t value) { return static_cast<int>(value); };
  return {small(p.c),        small(p.h),        small(p.w), small(p.o), small(p.out_h), small(p.out_w),      small(p.kernel_h),
          small(p.kernel_w), p.stride_h,        p.stride_w, p.pad_h,    p.pad_w,        small(p.pixels_in()), small(p.pixels_out())};
}

template <bool backward, class T, class W>
void launch_correlate(const Op& op, const Problem& p, const Tensor& from, const Tensor& w, const Tensor& to) {
  const std::int64_t pixels = backward ? p.pixels_in() : p.pixels_out(), channels = backward ? p.c : p.o;
  with_tile(channels, [&](auto rows, auto columns) {
    const dim3 blocks(static_cast<unsigned>(tiles(pixels, rows)), static_cast<unsigned>(tiles(channels, columns)));
    launch(op, correlate<T, W, backward, rows, columns>, blocks, dim3(threads), geometry_of(p), from.as<const T>(),
           w.as<const W>(), p.accumulate, to.as<T>());
  });
}

template <bool backward>
void run_correlate(const Op& op, const Problem& p, const Tensor& from, const Tensor& w, const Tensor& to) {
  with_float_type(p.images, [&](auto image) {
    using T = decltype(image);
    if (p.weights == DType::f32) {
      launch_correlate<backward, T, float>(op, p, from, w, to);
    } else {
      launch_correlate<backward, T, T>(op, p, from, w, to);
    }
  });
}

/// Pixels that one block sums up: so many that the device is filled, but at most so many that the sums stay exact
/// enough.
int slice_of(const Op& op, std::int64_t pixels, std::int64_t blocks) {
  constexpr std::int64_t shortest = 256;
  const std::int64_t longest = std::max<std::int64_t>(8192, tiles(pixels, 65535));
  const std::int64_t slices = std::max<std::int64_t>(1, std::int64_t{op.limits().processors} * 4 / blocks);
  const std::int64_t slice = std::clamp(tiles(pixels, static_cast<int>(slices)), shortest, longest);
  return static_cast<int>(tiles(slice, chunk) * chunk);
}

void run_weight(const Op& op, const Problem& p, const Tensors& tensors) {
  const std::int64_t depth = p.c * p.taps();
  with_tile(p.o, [&](auto rows, auto columns) {
    const std::int64_t across = tiles(depth, rows), down = tiles(p.o, columns);
    const int slice = slice_of(op, p.pixels_out(), across * down);
    const std::int64_t slices = tiles(p.pixels_out(), slice);
    auto* const parts = op.scratch_of<float>(slices * p.o * depth);
    const dim3 blocks(static_cast<unsigned>(across), static_cast<unsigned>(down), static_cast<unsigned>(slices));
    with_float_type(p.images, [&](auto image) {
      using T = decltype(image);
      launch(op, gather_gradient<T, rows, columns>, blocks, dim3(threads), geometry_of(p), tensors.x.as<const T>(),
             tensors.y.as<const T>(), slice, parts);
    });
    unpack_gradient(op, {parts, DType::f32, p.o, p.c, slices}, p, tensors);
  });
}

}  // namespace

bool direct_takes(const Problem& p) {
  constexpr std::int64_t most = (std::int64_t{1} << 31) - (1 << 16);
  const std::int64_t filter = std::max(p.c, p.o) * p.taps();
  return p.pixels_in() <= most && p.pixels_out() <= most && filter <= most && std::max(p.c, p.o) <= 65535 * narrow;
}

void run_direct(const Op& op, const Problem& p, const Tensors& tensors) {
  switch (p.pass) {
    case Pass::forward: return run_correlate<false>(op, p, tensors.x, tensors.w, tensors.y);
    case Pass::data: return run_correlate<true>(op, p, tensors.y, tensors.w, tensors.x);
    case Pass::weight: return run_weight(op, p, tensors);
  }
}

}  // namespace s2sam::conv
