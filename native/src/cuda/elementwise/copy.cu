#include "cuda/elementwise/map.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

struct Same {
  __device__ float operator()(float x) const { return x; }
};

constexpr int tile = 32;
constexpr int tile_rows = block_threads / tile;

/// x [matrices, rows, columns] -> y [matrices, columns, rows], tile by tile through shared memory, so that both sides
/// move whole lines.
template <class From, class To>
__global__ void transpose_kernel(const From* x, std::int64_t matrices, std::int64_t rows, std::int64_t columns, To* y) {
  __shared__ float staged[tile][tile + 1];
  const int lane = static_cast<int>(threadIdx.x) % tile, first = static_cast<int>(threadIdx.x) / tile;
  const std::int64_t down = (rows + tile - 1) / tile, across = (columns + tile - 1) / tile;
  for (std::int64_t t = blockIdx.x; t < matrices * down * across; t += gridDim.x) {
    const std::int64_t matrix = t / (down * across) * rows * columns;
    const std::int64_t row = t / across % down * tile, column = t % across * tile;
    for (int i = first; i < tile; i += tile_rows) {
      if (row + i < rows && column + lane < columns) {
        staged[i][lane] = to_float(x[matrix + (row + i) * columns + column + lane]);
      }
    }
    __syncthreads();
    for (int i = first; i < tile; i += tile_rows) {
      if (column + i < columns && row + lane < rows) {
        y[matrix + (column + i) * rows + row + lane] = from_float<To>(staged[lane][i]);
      }
    }
    __syncthreads();
  }
}

template <class From, class To>
void transpose(const Op& op, const Tensor& x, std::int64_t rows, std::int64_t columns, const Tensor& y) {
  const std::int64_t tiles = x.shape[0] * ((rows + tile - 1) / tile) * ((columns + tile - 1) / tile);
  launch(op, transpose_kernel<From, To>, blocks_for(op, tiles, 1), block_threads, x.as<const From>(), x.shape[0], rows,
         columns,
         y.as<To>());
}

void copy_bytes(const Op& op, const Tensor& x, const Tensor& y) {
  const std::size_t bytes = static_cast<std::size_t>(x.shape.count()) * size_of(x.dtype);
  op.check(cudaMemcpyAsync(y.data, x.data, bytes, cudaMemcpyDeviceToDevice, op.handle()), "cudaMemcpyAsync");
}

/// Images are [N, H, W, C], plain ones [N, C, H, W].
void copy_floats(const Op& op, const Tensor& x, const Tensor& y) {
  with_float_type(x.dtype, [&](auto from) {
    with_float_type(y.dtype, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      if (x.format == y.format) return map<To>(op, Same{}, y, x.as<const From>());
      const std::int64_t channels = x.shape[1], pixels = x.shape[2] * x.shape[3];
      if (channels == 1 || pixels == 1) return map<To>(op, Same{}, y, x.as<const From>());
      if (x.format == Format::plain) return transpose<From, To>(op, x, channels, pixels, y);
      transpose<From, To>(op, x, pixels, channels, y);
    });
  });
}

}  // namespace

void copy(Stream& stream, Tensor x, Tensor y) {
  stream.submit("copy", [&](const Op& op) {
    op.count({.bytes = bytes_of(x, y)});
    if (x.format == y.format && x.dtype == y.dtype) return copy_bytes(op, x, y);
    copy_floats(op, x, y);
  });
}

}  // namespace s2sam::ops
