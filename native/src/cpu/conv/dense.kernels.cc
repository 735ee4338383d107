#include <algorithm>

#include "cpu/conv/tile.hpp"

namespace s2sam::S2SAM_ISA {

namespace {

using conv::DenseKernels;
using conv::DenseRows;
using conv::Tile;

/// The register tile: its accumulators, one broadcast weight per channel and one load fit the registers.
constexpr int max_channels = Vec16::parts == 1 ? 4 : 2;
constexpr int max_cols = Vec16::parts == 1 ? 6 : Vec16::parts == 2 || registers == 32 ? 3 : 1;
static_assert(max_cols <= DenseKernels::max_cols);

/// Taps [tap, end) of P pixels of a row for C output channels that share every load.
template <int C, int P, int Step>
void channels(const Tile& tile, const DenseRows& rows, int tap, int end, const float* weight, float* out) {
  const std::ptrdiff_t col = column_step<Step>(tile.in_col);
  const bool continues = tile.accumulate || tap > 0;
  weight += static_cast<std::ptrdiff_t>(tap) * C;
  Vec16 sum[C][P];
#pragma GCC unroll 4
  for (int c = 0; c < C; ++c) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      sum[c][p] = continues ? Vec16::load(out + c * tile.out_plane + p * tile.out_col) : Vec16::zero();
    }
  }
  const float* next = tile.in + rows.offset[tap];
  for (; tap < end; ++tap, weight += C) {
    const float* in = next;
    next = tile.in + rows.offset[tap + 1];  // early, as in the sparse kernel
    asm("" : "+r"(next));
#pragma GCC unroll 4
    for (int part = 0; part < Vec16::parts; ++part) {
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) {
        auto x = reinterpret_cast<const Vec16::Native*>(in + p * col)[part];
        hold(x);
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) sum[c][p].part[part] += x * weight[c];
      }
    }
  }
  const auto write = [&](const auto& one) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) one(sum[c][p], out + c * tile.out_plane + p * tile.out_col);
    }
  };
  if (tile.streams && end == rows.taps) {
    write([](const Vec16& v, float* at) { v.stream(at); });
  } else {
    write([](const Vec16& v, float* at) { v.store(at); });
  }
}

/// Output channels in groups of C, then the rest in one smaller group.
template <int C, int P, int Step>
void block(const Tile& tile, const DenseRows& rows, int tap, int end) {
  int o = tile.first;
  for (; o + C <= tile.last; o += C) {
    channels<C, P, Step>(tile, rows, tap, end, rows.weights + static_cast<std::ptrdiff_t>(o) * rows.taps,
                         tile.out + o * tile.out_plane);
  }
  if constexpr (C > 1) {
    if (o == tile.last) return;
    Tile rest = tile;
    rest.first = o;
    block<C - 1, P, Step>(rest, rows, tap, end);
  }
}

/// Block after block of taps, so that what a tile reads of one stays in the first-level cache while all output channels
/// pass by.
template <int C, int P, int Step>
void run(const Tile& tile, const DenseRows& rows) {
  int tap = 0;
  do {  // once at least: an output that no tap looks at is zero
    block<C, P, Step>(tile, rows, tap, std::min(tap + rows.block, rows.taps));
    tap += rows.block;
  } while (tap < rows.taps);
  if (tile.streams) finish_streaming();
}

template <int I = 0>
consteval void fill(DenseKernels& kernels) {
  if constexpr (I < conv::column_steps * max_cols) {
    constexpr int step = I / max_cols, p = I % max_cols;
    kernels.tile[step][p] = &run<max_channels, p + 1, step>;
    fill<I + 1>(kernels);
  }
}

consteval DenseKernels make() {
  DenseKernels kernels{};
  kernels.channels = max_channels;
  kernels.cols = max_cols;
  fill(kernels);
  return kernels;
}

}  // namespace

constinit const DenseKernels conv_dense_kernels = make();

}  // namespace s2sam::S2SAM_ISA
