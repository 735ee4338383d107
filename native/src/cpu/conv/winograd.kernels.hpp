#pragma once

#include <cstddef>

#include "cpu/dispatch.hpp"

/// The surface between winograd.cc and its kernels. All strides are in floats; a "pixel" is the 16 images of one
/// block at one place.
namespace s2sam {

namespace conv {

/// Output pixels of a tile along each axis, input pixels it reads, and products of one pair of channels.
inline constexpr int winograd_out = 4, winograd_in = winograd_out + 2, winograd_products = winograd_in * winograd_in;

/// Transformed weights: product p of output channel o and input channel c is values[p * product + o * output + c].
struct WinogradWeights {
  float* values;
  std::ptrdiff_t product, output;
  int inputs;  ///< up to the next multiple of 16 there are zeros
};

/// Where the 3x3 weights of output channel o and input channel c lie: at values + o * output + c * input, backward
/// rotated by 180 degrees.
struct WinogradSource {
  const float* values;
  std::ptrdiff_t output, input;
  bool rotated;
};

/// One tile: its first input pixel (above and left of its first output pixel), and how many rows and columns of
/// outputs there are. Of the input, as many and two more are read.
struct WinogradTile {
  const float* in;
  float* out;
  int rows, cols;
};

/// Tiles that share every load of a weight. The room behind `inputs` is for input_product * winograd_products floats,
/// that behind `sums` for sum_product * winograd_products.
struct WinogradStrip {
  const WinogradTile* tile;
  std::ptrdiff_t in_row, in_plane, out_row, out_plane;
  float *inputs, *sums;
  std::ptrdiff_t input_product, sum_product;
  int first, last;    ///< output channels to compute
  int block;          ///< so many at a time, for which there is room in `sums`
  bool accumulate;    ///< add to what `out` holds
  bool streams;       ///< write past the caches
};

/// Sums for the weight gradient: product p of output channel o and input channel c is values[p * product + o * output
/// + c], and as many again for every segment. Rows are padded to a multiple of 16.
struct WinogradSums {
  float* values;
  std::ptrdiff_t segment, product, output;
};

/// One tile of the weight gradient: its first pixels of x (above and left of that of dy) and dy, rows and columns of
/// dy.
struct WinogradPair {
  const float *x, *dy;
  int rows, cols;
};

/// Tiles whose products are added to the sums of one segment. The room behind `x` and `dy` is for product *
/// winograd_products floats each; channels lie most_tiles pixels apart.
struct WinogradGradient {
  const WinogradPair* tile;
  int tiles, most_tiles;
  std::ptrdiff_t x_row, x_plane, dy_row, dy_plane;
  float *x, *dy;
  std::ptrdiff_t product;
  int inputs, first, last;  ///< all input channels and some output channels
  int block;                ///< so many channels of both at a time, a multiple of 4
  WinogradSums sums;        ///< of this segment
};

struct WinogradKernels {
  static constexpr int max_tiles = 6;
  int tiles;  ///< the most of one strip
  void (*weights)(const WinogradSource&, const WinogradWeights&, int output);
  void (*strip[max_tiles])(const WinogradStrip&, const WinogradWeights&);  ///< of so many tiles
  int gradient_channels;  ///< output channels of the register tile of `gradient`
  void (*gradient)(const WinogradGradient&);
  /// dw[output] (+)= the sums of all segments.
  void (*finish)(const WinogradSums&, int segments, int inputs, int output, bool accumulate, float* dw);
};

}  // namespace conv

S2SAM_KERNEL_TABLE(conv::WinogradKernels, conv_winograd_kernels)

}  // namespace s2sam
