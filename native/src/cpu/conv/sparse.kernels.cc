#include "cpu/conv/tile.hpp"

namespace s2sam::S2SAM_ISA {

namespace {

using conv::Entry;
using conv::SparseKernels;
using conv::SparseRows;
using conv::Tile;

/// An accumulator is Vec16::parts registers; two registers stay free for the broadcast value and a load.
constexpr int max_pixels = (registers - 2) / Vec16::parts;

/// R x P output pixels of one channel: all accumulators stay in registers while its kept weights pass by.
template <int R, int P, int Step>
void channel(const Tile& tile, const Entry* entry, const Entry* end, float* out, bool accumulate) {
  const std::ptrdiff_t col = column_step<Step>(tile.in_col);
  Vec16 sum[R][P];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      sum[r][p] = accumulate ? Vec16::load(out + r * tile.out_row + p * tile.out_col) : Vec16::zero();
    }
  }
  for (; entry != end; ++entry) {
    const float* in = tile.in + entry->offset;
    const Vec16 value = Vec16::broadcast(entry->value);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sum[r][p].multiply_add(Vec16::load(in + r * tile.in_row + p * col), value);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) sum[r][p].store(out + r * tile.out_row + p * tile.out_col);
  }
}

template <int R, int P, int Step>
void run(const Tile& tile, const SparseRows& rows) {
  for (int block = 0; block < rows.blocks; ++block) {
    const std::uint32_t* start = rows.start + block * rows.channels;
    const bool accumulate = tile.accumulate || block > 0;
    for (int o = tile.first; o < tile.last; ++o) {
      if (accumulate && start[o] == start[o + 1]) continue;
      channel<R, P, Step>(tile, rows.entries + start[o], rows.entries + start[o + 1], tile.out + o * tile.out_plane,
                          accumulate);
    }
  }
}

template <int I = 0>
consteval void fill(SparseKernels& kernels) {
  constexpr int cols = SparseKernels::cols, rows = SparseKernels::rows;
  if constexpr (I < conv::column_steps * rows * cols) {
    constexpr int step = I / (rows * cols), r = I / cols % rows, p = I % cols;
    if constexpr ((r + 1) * (p + 1) <= max_pixels) kernels.tile[step][r][p] = &run<r + 1, p + 1, step>;
    fill<I + 1>(kernels);
  }
}

consteval SparseKernels make() {
  SparseKernels kernels{};
  kernels.max_pixels = max_pixels;
  fill(kernels);
  return kernels;
}

}  // namespace

constinit const SparseKernels conv_sparse_kernels = make();

}  // namespace s2sam::S2SAM_ISA
