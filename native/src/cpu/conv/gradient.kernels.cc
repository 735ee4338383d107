#include "cpu/conv/tile.hpp"

namespace s2sam::S2SAM_ISA {

// The helpers are always inlined: were the address of an accumulator passed on, it would live in memory.
namespace {

using conv::GradientKernels;
using conv::GradientTile;
using Native = Vec16::Native;

/// Register tiles, in accumulators of Vec16: `sparse` has one channel and up to this many taps, `dense` a rectangle.
constexpr int sparse_taps = Vec16::parts == 1 ? 12 : Vec16::parts == 2 || registers == 32 ? 6 : 2;
constexpr int dense_channels = Vec16::parts == 1 ? 4 : 2;
constexpr int dense_taps = Vec16::parts == 1 ? 6 : Vec16::parts == 2 || registers == 32 ? 3 : 1;

[[gnu::always_inline]] inline Quad fold_images(const Vec16& v) {
  Native s = v.part[0];
  for (int i = 1; i < Vec16::parts; ++i) s += v.part[i];
  return fold(s);
}

/// to[i] += total of sum[i].
template <int Q>
[[gnu::always_inline]] inline void add_totals(const Vec16* sum, float* to) {
#pragma GCC unroll 16
  for (int q = 0; q + 4 <= Q; q += 4) {
    QuadUnaligned* quad = reinterpret_cast<QuadUnaligned*>(to + q);
    *quad = *quad + totals(fold_images(sum[q]), fold_images(sum[q + 1]), fold_images(sum[q + 2]), fold_images(sum[q + 3]));
  }
  if constexpr (Q % 4 > 0) {
    constexpr int first = Q - Q % 4;
    const Quad none{};
    const Quad rest = totals(fold_images(sum[first]), Q % 4 > 1 ? fold_images(sum[first + 1 < Q ? first + 1 : first]) : none,
                             Q % 4 > 2 ? fold_images(sum[first + 2 < Q ? first + 2 : first]) : none, none);
#pragma GCC unroll 4
    for (int q = first; q < Q; ++q) to[q] += rest[q - first];
  }
}

/// The products of the pixel at `in` of x and `out` of dy: each x is loaded once for C channels, each dy once for Q taps.
template <int C, int Q>
[[gnu::always_inline]] inline void add_products(const float* const (&x)[Q], std::ptrdiff_t in, const float* dy,
                                                std::ptrdiff_t dy_plane, Vec16 (&sum)[C][Q]) {
#pragma GCC unroll 4
  for (int part = 0; part < Vec16::parts; ++part) {
    Native d[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) d[c] = reinterpret_cast<const Native*>(dy + c * dy_plane)[part];
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) {
      Native value = reinterpret_cast<const Native*>(x[q] + in)[part];
      if constexpr (C > 1) hold(value);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) sum[c][q].part[part] += value * d[c];
    }
  }
}

/// sums[c * leading + q] += the products of channel c and tap q over the whole rectangle. Every sum adds its products in the
/// order of the pixels, whatever it is computed together with.
template <int C, int Q, int Step>
void products(const GradientTile& tile, const float* dy, const std::uint32_t* offset, std::ptrdiff_t leading,
              float* sums) {
  const std::ptrdiff_t x_col = column_step<Step>(tile.x_col), end = tile.cols * lanes;
  Vec16 sum[C][Q];
#pragma GCC unroll 4
  for (int c = 0; c < C; ++c) {
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) sum[c][q] = Vec16::zero();
  }
  for (int r = 0; r < tile.rows; ++r) {
    const float* x[Q];
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) x[q] = tile.x + r * tile.x_row + offset[q];
    const float* d = dy + r * tile.dy_row;
    std::ptrdiff_t in = 0, out = 0;
    for (; out + lanes < end; in += 2 * x_col, out += 2 * lanes) {
      // One counter for all taps: GCC would keep a pointer for each, and spill them.
      asm("" : "+r"(in), "+r"(out));
      add_products<C, Q>(x, in, d + out, tile.dy_plane, sum);
      add_products<C, Q>(x, in + x_col, d + out + lanes, tile.dy_plane, sum);
    }
    if (out < end) add_products<C, Q>(x, in, d + out, tile.dy_plane, sum);
  }
#pragma GCC unroll 4
  for (int c = 0; c < C; ++c) add_totals<Q>(sum[c], sums + c * leading);
}

using Products = void (*)(const GradientTile&, const float* dy, const std::uint32_t* offset, std::ptrdiff_t leading,
                          float* sums);

template <int C, int Max, int Step>
struct ByTaps {
  Products of[Max];  ///< of[q - 1] takes q taps

  consteval ByTaps() : of{} { fill<1>(); }
  template <int Q>
  consteval void fill() {
    if constexpr (Q <= Max) {
      of[Q - 1] = &products<C, Q, Step>;
      fill<Q + 1>();
    }
  }
};

/// Calls body(begin, count) for [0, taps) in pieces of nearly equal size, none above `most`.
template <class Body>
void in_pieces(int taps, int most, const Body& body) {
  const int pieces = (taps + most - 1) / most;
  for (int i = 0, begin = 0; i < pieces; ++i) {
    const int count = (taps - begin) / (pieces - i);
    body(begin, count);
    begin += count;
  }
}

template <int Step>
void sparse(const GradientTile& tile, const std::uint32_t* offset, const std::uint32_t* start, float* sums) {
  static constexpr ByTaps<1, sparse_taps, Step> by_taps;
  for (int o = tile.first; o < tile.last; ++o) {
    in_pieces(static_cast<int>(start[o + 1] - start[o]), sparse_taps, [&](int begin, int count) {
      const std::uint32_t first = start[o] + static_cast<std::uint32_t>(begin);
      by_taps.of[count - 1](tile, tile.dy + o * tile.dy_plane, offset + first, 0, sums + first);
    });
  }
}

/// Channels in groups of C, then the rest in one smaller group.
template <int C, int Step>
void dense(const GradientTile& tile, const std::uint32_t* offset, int taps, std::ptrdiff_t leading, float* sums) {
  static constexpr ByTaps<C, dense_taps, Step> by_taps;
  int o = tile.first;
  for (; o + C <= tile.last; o += C) {
    in_pieces(taps, dense_taps, [&](int begin, int count) {
      by_taps.of[count - 1](tile, tile.dy + o * tile.dy_plane, offset + begin, leading, sums + o * leading + begin);
    });
  }
  if constexpr (C > 1) {
    if (o == tile.last) return;
    GradientTile rest = tile;
    rest.first = o;
    dense<C - 1, Step>(rest, offset, taps, leading, sums);
  }
}

}  // namespace

constinit const GradientKernels conv_gradient_kernels{
    .sparse_taps = sparse_taps,
    .dense_channels = dense_channels,
    .sparse = {&sparse<conv::step_one>, &sparse<conv::step_two>, &sparse<conv::step_any>},
    .dense = {&dense<dense_channels, conv::step_one>, &dense<dense_channels, conv::step_two>,
              &dense<dense_channels, conv::step_any>},
};

}  // namespace s2sam::S2SAM_ISA
