#include "cpu/conv/tile.hpp"

namespace s2sam::S2SAM_ISA {

namespace {

using conv::Entry;
using conv::SparseKernels;
using conv::SparseRows;
using conv::Tile;

/// An accumulator is Vec16::parts registers; two registers stay free for the broadcast value and a load.
constexpr int max_pixels = (registers - 2) / Vec16::parts;

/// Where the sums of a tile of one channel lie; null for zeros.
struct Place {
  float* data;
  std::ptrdiff_t row, col;
  bool streams = false;  ///< to be written past the caches
};

/// R x P output pixels of one channel: all sums stay in registers while its kept weights pass by.
template <int R, int P, int Step>
void channel(const Tile& tile, const Entry* entry, const Entry* end, const Place& from, const Place& to) {
  const std::ptrdiff_t col = column_step<Step>(tile.in_col);
  Vec16 sum[R][P];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      sum[r][p] = from.data ? Vec16::load(from.data + r * from.row + p * from.col) : Vec16::zero();
    }
  }
  const float* first = tile.in + entry->offset;
  for (; entry != end; ++entry) {
    const float* in = first;
    // Where the next entry looks is worked out while this one's products wait for their operands: a third faster than
    // leaving it to the processor to look so far ahead.
    first = tile.in + entry[1].offset;
    asm("" : "+r"(first));
    const Vec16 value = Vec16::broadcast(entry->value);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r, in += tile.in_row) {
      asm("" : "+r"(in));  // one address per row: GCC would keep one for every pixel, and spill them
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sum[r][p].multiply_add(Vec16::load(in + p * col), value);
    }
  }
  const auto write = [&](const auto& one) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) one(sum[r][p], to.data + r * to.row + p * to.col);
    }
  };
  if (to.streams) {
    write([](const Vec16& v, float* at) { v.stream(at); });
  } else {
    write([](const Vec16& v, float* at) { v.store(at); });
  }
}

/// Block after block of input channels, so that what a tile reads of one stays in the first-level cache while all
/// output channels pass by. Between blocks the sums lie close together in `partial`.
template <int R, int P, int Step>
void run(const Tile& tile, const SparseRows& rows) {
  for (int block = 0; block < rows.blocks; ++block) {
    const std::uint32_t* start = rows.start + block * rows.channels;
    const bool begins = block == 0, ends = block == rows.blocks - 1;
    for (int o = tile.first; o < tile.last; ++o) {
      if (!begins && !ends && start[o] == start[o + 1]) continue;
      const Place partial{tile.partial + (o - tile.first) * R * P * lanes, P * lanes, lanes};
      const Place out{tile.out + o * tile.out_plane, tile.out_row, tile.out_col, tile.streams};
      const Place before{tile.accumulate ? out.data : nullptr, out.row, out.col};
      channel<R, P, Step>(tile, rows.entries + start[o], rows.entries + start[o + 1], begins ? before : partial,
                          ends ? out : partial);
    }
  }
  if (tile.streams) finish_streaming();
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
