#include "cpu/conv/winograd.kernels.hpp"

#include <algorithm>

#include "cpu/conv/tile.hpp"

namespace s2sam::S2SAM_ISA {

// The helpers are always inlined: were the address of a vector passed on, it would live in memory.
namespace {

using conv::winograd_in;
using conv::winograd_out;
using conv::winograd_products;
using conv::WinogradGradient;
using conv::WinogradKernels;
using conv::WinogradPair;
using conv::WinogradSource;
using conv::WinogradStrip;
using conv::WinogradSums;
using conv::WinogradTile;
using conv::WinogradWeights;
using Native = Vec16::Native;

/// The register tile, as in dense.kernels.cc.
constexpr int max_channels = Vec16::parts == 1 ? 4 : 2;
constexpr int max_tiles = Vec16::parts == 1 ? 6 : Vec16::parts == 2 || registers == 32 ? 3 : 1;
static_assert(max_tiles <= WinogradKernels::max_tiles);

/// Polynomials are multiplied at 0, a, -a, b, -b and infinity. With these points the largest error is a third of that
/// with the usual 1 and 2, and no larger than that of the direct kernel.
constexpr double a = 0.75, b = 1.25, aa = a * a, bb = b * b;

constexpr float f(double value) { return static_cast<float>(value); }

/// Of 6 inputs of one row or column.
[[gnu::always_inline]] inline void transform_input(const Native (&d)[winograd_in], Native (&to)[winograd_in]) {
  const Native even_a = d[4] - f(bb) * d[2], odd_a = f(a) * (d[3] - f(bb) * d[1]);
  const Native even_b = d[4] - f(aa) * d[2], odd_b = f(b) * (d[3] - f(aa) * d[1]);
  to[0] = (d[4] - f(aa + bb) * d[2]) + f(aa * bb) * d[0];
  to[1] = even_a + odd_a;
  to[2] = even_a - odd_a;
  to[3] = even_b + odd_b;
  to[4] = even_b - odd_b;
  to[5] = (d[5] - f(aa + bb) * d[3]) + f(aa * bb) * d[1];
}

/// Of 3 weights of one row or column.
[[gnu::always_inline]] inline void transform_weight(const Native (&g)[3], Native (&to)[winograd_in]) {
  constexpr double over_a = 1 / (2 * aa * (aa - bb)), over_b = 1 / (2 * bb * (bb - aa));
  const Native even_a = f(over_a) * g[0] + f(over_a * aa) * g[2], odd_a = f(over_a * a) * g[1];
  const Native even_b = f(over_b) * g[0] + f(over_b * bb) * g[2], odd_b = f(over_b * b) * g[1];
  to[0] = f(1 / (aa * bb)) * g[0];
  to[1] = even_a + odd_a;
  to[2] = even_a - odd_a;
  to[3] = even_b + odd_b;
  to[4] = even_b - odd_b;
  to[5] = g[2];
}

/// The 4 outputs of one row or column.
[[gnu::always_inline]] inline void transform_sum(const Native (&m)[winograd_in], Native (&to)[winograd_out]) {
  const Native even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
  to[0] = m[0] + even_a + even_b;
  to[1] = f(a) * odd_a + f(b) * odd_b;
  to[2] = f(aa) * even_a + f(bb) * even_b;
  to[3] = m[5] + f(aa * a) * odd_a + f(bb * b) * odd_b;
}

/// to(i, j) = the transform along both axes of from(i, j): `From` values along each axis become `To`.
template <int From, int To, class Transform, class Read, class Write>
[[gnu::always_inline]] inline void transform_square(const Transform& transform, const Read& from, const Write& to) {
  Native half[From][To];
#pragma GCC unroll 6
  for (int i = 0; i < From; ++i) {
    Native row[From];
#pragma GCC unroll 6
    for (int j = 0; j < From; ++j) row[j] = from(i, j);
    transform(row, half[i]);
  }
#pragma GCC unroll 6
  for (int j = 0; j < To; ++j) {
    Native column[From], done[To];
#pragma GCC unroll 6
    for (int i = 0; i < From; ++i) column[i] = half[i][j];
    transform(column, done);
#pragma GCC unroll 6
    for (int i = 0; i < To; ++i) to(i, j, done[i]);
  }
}

Native& native(float* at, int part) { return reinterpret_cast<Native*>(at)[part]; }
const Native& native(const float* at, int part) { return reinterpret_cast<const Native*>(at)[part]; }

/// 16 input channels at a time.
void weights(const WinogradSource& source, const WinogradWeights& to, int output) {
  for (int c = 0; c < to.inputs; c += lanes) {
    alignas(64) float gathered[9][lanes] = {};
    const float* from = source.values + output * source.output + c * source.input;
    for (int i = 0; i < std::min(lanes, to.inputs - c); ++i, from += source.input) {
      for (int k = 0; k < 9; ++k) gathered[source.rotated ? 8 - k : k][i] = from[k];
    }
    float* values = to.values + output * to.output + c;
    for (int part = 0; part < Vec16::parts; ++part) {
      transform_square<3, winograd_in>([](const auto& g, auto& done) { transform_weight(g, done); },
                                       [&](int i, int j) { return native(gathered[i * 3 + j], part); },
                                       [&](int i, int j, const Native& v) {
                                         native(values + (i * winograd_in + j) * to.product, part) = v;
                                       });
    }
  }
}

/// The pixels of one tile in all channels, rows x cols of them; beyond there are zeros.
struct Planes {
  const float* at;
  std::ptrdiff_t row, plane;
  int channels, rows, cols;
};

/// Transforms Size x Size pixels of channel after channel; results of neighbouring channels lie `step` apart, those
/// of one channel `product`.
template <int Size, bool Whole, class Transform>
void transform_whole(const Planes& from, const Transform& transform, float* to, std::ptrdiff_t step,
                     std::ptrdiff_t product) {
  const float* at = from.at;
  for (int c = 0; c < from.channels; ++c, at += from.plane, to += step) {
    for (int part = 0; part < Vec16::parts; ++part) {
      transform_square<Size, winograd_in>(
          transform,
          [&](int i, int j) {
            if (!Whole && (i >= from.rows || j >= from.cols)) return Native{};
            return native(at + i * from.row + j * lanes, part);
          },
          [&](int i, int j, const Native& v) { native(to + (i * winograd_in + j) * product, part) = v; });
    }
  }
}

template <int Size, class Transform>
void transform_planes(const Planes& from, const Transform& transform, float* to, std::ptrdiff_t step,
                      std::ptrdiff_t product) {
  if (from.rows == Size && from.cols == Size) return transform_whole<Size, true>(from, transform, to, step, product);
  transform_whole<Size, false>(from, transform, to, step, product);
}

void transform_inputs(const Planes& from, float* to, std::ptrdiff_t step, std::ptrdiff_t product) {
  transform_planes<winograd_in>(from, [](const auto& d, auto& done) { transform_input(d, done); }, to, step, product);
}

/// Input channels whose products are added up by themselves: the rounding of one sum grows with its length, and the
/// output transform multiplies it.
constexpr int block_inputs = 32;

/// The sums over some input channels of one product, for C output channels that share every load.
template <int C, int P>
void product(const float* weight, std::ptrdiff_t output, const float* in, int channels, bool continues, float* to) {
  for (int o = C; o < 2 * C; ++o) {  // those of the next group: no row is long enough for the hardware to see it coming
    for (int c = 0; c < block_inputs; c += lanes) __builtin_prefetch(weight + o * output + c);
  }
  Vec16 sum[C][P];
#pragma GCC unroll 4
  for (int o = 0; o < C; ++o) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) sum[o][p] = Vec16::zero();
  }
  for (int c = 0; c < channels; ++c, in += P * lanes, ++weight) {
#pragma GCC unroll 4
    for (int part = 0; part < Vec16::parts; ++part) {
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) {
        Native x = native(in + p * lanes, part);
        hold(x);
#pragma GCC unroll 4
        for (int o = 0; o < C; ++o) sum[o][p].part[part] += x * weight[o * output];
      }
    }
  }
#pragma GCC unroll 4
  for (int o = 0; o < C; ++o) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p, to += lanes) {
      if (continues) sum[o][p] = sum[o][p] + Vec16::load(to);
      sum[o][p].store(to);
    }
  }
}

/// Output channels in groups of C, then the rest in one smaller group.
template <int C, int P>
void products(const float* weight, std::ptrdiff_t output, int outputs, const float* in, int channels, float* to) {
  for (; outputs >= C; outputs -= C, weight += C * output, to += C * P * lanes) {
    for (int c = 0; c < channels; c += block_inputs) {
      product<C, P>(weight + c, output, in + c * P * lanes, std::min(block_inputs, channels - c), c > 0, to);
    }
  }
  if constexpr (C > 1) {
    if (outputs > 0) products<C - 1, P>(weight, output, outputs, in, channels, to);
  }
}

/// Writes the outputs of one tile and channel.
template <bool Whole>
void outputs(const WinogradStrip& strip, const WinogradTile& tile, const float* sums, float* out) {
  alignas(64) float done[winograd_out * winograd_out][lanes];  // a cache line is written past the caches at once
  for (int part = 0; part < Vec16::parts; ++part) {
    transform_square<winograd_in, winograd_out>(
        [](const auto& m, auto& y) { transform_sum(m, y); },
        [&](int i, int j) { return native(sums + (i * winograd_in + j) * strip.sum_product, part); },
        [&](int i, int j, const Native& v) { native(done[i * winograd_out + j], part) = v; });
  }
  const auto for_each = [&](const auto& write) {
    for (int i = 0; i < (Whole ? winograd_out : tile.rows); ++i) {
      for (int j = 0; j < (Whole ? winograd_out : tile.cols); ++j) {
        write(Vec16::load(done[i * winograd_out + j]), out + i * strip.out_row + j * lanes);
      }
    }
  };
  if (strip.accumulate) {
    for_each([](const Vec16& v, float* at) { (Vec16::load(at) + v).store(at); });
  } else if (strip.streams) {
    for_each([](const Vec16& v, float* at) { v.stream(at); });
  } else {
    for_each([](const Vec16& v, float* at) { v.store(at); });
  }
}

bool whole(const WinogradTile& tile) { return tile.rows == winograd_out && tile.cols == winograd_out; }

template <int P>
void run(const WinogradStrip& strip, const WinogradWeights& weights) {
  for (int p = 0; p < P; ++p) {
    const WinogradTile& tile = strip.tile[p];
    transform_inputs({tile.in, strip.in_row, strip.in_plane, weights.inputs, tile.rows + 2, tile.cols + 2},
                     strip.inputs + p * lanes, P * lanes, strip.input_product);
  }
  for (int first = strip.first; first < strip.last; first += strip.block) {
    const int count = std::min(strip.block, strip.last - first);
    for (int i = 0; i < winograd_products; ++i) {
      products<max_channels, P>(weights.values + i * weights.product + first * weights.output, weights.output, count,
                                strip.inputs + i * strip.input_product, weights.inputs,
                                strip.sums + i * strip.sum_product);
    }
    for (int o = 0; o < count; ++o) {
      for (int p = 0; p < P; ++p) {
        const WinogradTile& tile = strip.tile[p];
        const auto& transform = whole(tile) ? outputs<true> : outputs<false>;
        transform(strip, tile, strip.sums + (o * P + p) * lanes, tile.out + (first + o) * strip.out_plane);
      }
    }
  }
  if (strip.streams) finish_streaming();
}

/// Of the 4 output gradients of one row or column, which take the place of the weights.
[[gnu::always_inline]] inline void transform_gradient(const Native (&g)[winograd_out], Native (&to)[winograd_in]) {
  constexpr double over_a = 1 / (2 * aa * (aa - bb)), over_b = 1 / (2 * bb * (bb - aa));
  const Native even_a = f(over_a) * g[0] + f(over_a * aa) * g[2];
  const Native odd_a = f(over_a * a) * g[1] + f(over_a * aa * a) * g[3];
  const Native even_b = f(over_b) * g[0] + f(over_b * bb) * g[2];
  const Native odd_b = f(over_b * b) * g[1] + f(over_b * bb * b) * g[3];
  to[0] = f(1 / (aa * bb)) * g[0];
  to[1] = even_a + odd_a;
  to[2] = even_a - odd_a;
  to[3] = even_b + odd_b;
  to[4] = even_b - odd_b;
  to[5] = g[3];
}

/// The gradients of the 3 weights of one row or column.
[[gnu::always_inline]] inline void transform_weight_sum(const Native (&m)[winograd_in], Native (&to)[3]) {
  const Native even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
  to[0] = m[0] + even_a + even_b;
  to[1] = f(a) * odd_a + f(b) * odd_b;
  to[2] = m[5] + f(aa) * even_a + f(bb) * even_b;
}

void transform_gradients(const Planes& from, float* to, std::ptrdiff_t step, std::ptrdiff_t product) {
  transform_planes<winograd_out>(from, [](const auto& d, auto& done) { transform_gradient(d, done); }, to, step,
                                 product);
}

/// The register tile of the weight gradient: its sums fold the images of a pixel, so each is one native vector.
constexpr int gradient_outputs = 3, gradient_inputs = 4;

/// sums[o * leading + c] += the products of `pixels` pixels of output channel o and input channel c, for O x 4 of
/// them.
template <int O>
void gradient_product(const float* dy, const float* x, std::ptrdiff_t step, int pixels, float* sums,
                      std::ptrdiff_t leading) {
#pragma GCC unroll 4
  for (int o = 0; o < O; ++o) __builtin_prefetch(sums + o * leading, 1);  // all sums are more than a cache holds
  Native sum[O][gradient_inputs] = {};
  for (int i = 0; i < pixels; ++i, dy += lanes, x += lanes) {
#pragma GCC unroll 4
    for (int part = 0; part < Vec16::parts; ++part) {
      Native d[O];
#pragma GCC unroll 4
      for (int o = 0; o < O; ++o) {
        d[o] = native(dy + o * step, part);
        hold(d[o]);
      }
#pragma GCC unroll 4
      for (int c = 0; c < gradient_inputs; ++c) {
        Native value = native(x + c * step, part);
        hold(value);
#pragma GCC unroll 4
        for (int o = 0; o < O; ++o) sum[o][c] += value * d[o];
      }
    }
  }
#pragma GCC unroll 4
  for (int o = 0; o < O; ++o) {
    QuadUnaligned* to = reinterpret_cast<QuadUnaligned*>(sums + o * leading);
    *to = *to + totals(fold(sum[o][0]), fold(sum[o][1]), fold(sum[o][2]), fold(sum[o][3]));
  }
}

/// Output channels in groups of O, then the rest in one smaller group. Input channels up to the next multiple of 4:
/// there is room, and nobody reads the sums.
template <int O>
void gradient_products(const WinogradGradient& g, const float* dy, int outputs, const float* x, int inputs,
                       float* sums) {
  const std::ptrdiff_t step = g.most_tiles * lanes, leading = g.sums.output;
  for (; outputs >= O; outputs -= O, dy += O * step, sums += O * leading) {
    for (int c = 0; c < inputs; c += gradient_inputs) {
      gradient_product<O>(dy, x + c * step, step, g.tiles, sums + c, leading);
    }
  }
  if constexpr (O > 1) {
    if (outputs > 0) gradient_products<O - 1>(g, dy, outputs, x, inputs, sums);
  }
}

void gradient(const WinogradGradient& g) {
  const std::ptrdiff_t step = g.most_tiles * lanes;
  for (int c = 0; c < g.inputs; c += g.block) {
    const int inputs = std::min(g.block, g.inputs - c);
    for (int t = 0; t < g.tiles; ++t) {
      const WinogradPair& tile = g.tile[t];
      transform_inputs({tile.x + c * g.x_plane, g.x_row, g.x_plane, inputs, tile.rows + 2, tile.cols + 2},
                       g.x + t * lanes, step, g.product);
    }
    for (int o = g.first; o < g.last; o += g.block) {
      const int outputs = std::min(g.block, g.last - o);
      for (int t = 0; t < g.tiles; ++t) {
        const WinogradPair& tile = g.tile[t];
        transform_gradients({tile.dy + o * g.dy_plane, g.dy_row, g.dy_plane, outputs, tile.rows, tile.cols},
                            g.dy + t * lanes, step, g.product);
      }
      for (int i = 0; i < winograd_products; ++i) {
        gradient_products<gradient_outputs>(g, g.dy + i * g.product, outputs, g.x + i * g.product, inputs,
                                            g.sums.values + i * g.sums.product + o * g.sums.output + c);
      }
    }
  }
}

/// 16 input channels at a time.
void finish(const WinogradSums& sums, int segments, int inputs, int output, bool accumulate, float* dw) {
  for (int c = 0; c < inputs; c += lanes) {
    alignas(64) float done[9][lanes];
    const float* from = sums.values + output * sums.output + c;
    for (int part = 0; part < Vec16::parts; ++part) {
      const auto total = [&](int i, int j) {
        const float* at = from + (i * winograd_in + j) * sums.product;
        Native sum = native(at, part);
        for (int s = 1; s < segments; ++s) sum += native(at + s * sums.segment, part);
        return sum;
      };
      transform_square<winograd_in, 3>([](const auto& m, auto& w) { transform_weight_sum(m, w); }, total,
                                       [&](int i, int j, const Native& v) { native(done[i * 3 + j], part) = v; });
    }
    float* to = dw + (static_cast<std::ptrdiff_t>(output) * inputs + c) * 9;
    for (int i = 0; i < std::min(lanes, inputs - c) * 9; ++i) {
      to[i] = (accumulate ? to[i] : 0.0F) + done[i % 9][i / 9];
    }
  }
}

template <int P = 1>
consteval void fill(WinogradKernels& kernels) {
  if constexpr (P <= max_tiles) {
    kernels.strip[P - 1] = &run<P>;
    fill<P + 1>(kernels);
  }
}

consteval WinogradKernels make() {
  WinogradKernels kernels{};
  kernels.tiles = max_tiles;
  kernels.weights = &weights;
  kernels.gradient_channels = gradient_outputs;
  kernels.gradient = &gradient;
  kernels.finish = &finish;
  fill(kernels);
  return kernels;
}

}  // namespace

constinit const WinogradKernels conv_winograd_kernels = make();

}  // namespace s2sam::S2SAM_ISA
