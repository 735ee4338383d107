#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/dispatch.hpp"

/// The surface between the convolution drivers (ordinary code) and the kernels (compiled once per instruction set):
/// plain structs and tables of function pointers, nothing that a kernel file could emit in its own instruction set.
/// All strides are in floats; a "pixel" is the 16 images of one block at one place.
namespace s2sam {

namespace conv {

/// One kept weight of an output channel: where it looks, in floats from the first input pixel of the tile, and its
/// value.
struct Entry {
  std::uint32_t offset;
  float value;
};

/// A rectangle of output pixels of one image block. The first output pixel looks at `in`, its right neighbour
/// `in_col` and its lower neighbour `in_row` further.
struct Tile {
  const float* in;
  float* out;
  std::ptrdiff_t in_row, in_col, out_row, out_col, out_plane;
  int first, last;  ///< output channels to compute
  bool accumulate;  ///< add to what `out` holds
  bool streams;     ///< write past the caches
  float* partial;   ///< sparse only: room for the sums of (last - first) tiles, used with more than one block
};

/// Lists of kept weights: those of channel o that look into input block k are entries[start[k * channels + o]] up to
/// the next. Behind the last entry there is one more, which is read and not used.
struct SparseRows {
  const Entry* entries;
  const std::uint32_t* start;
  int channels, blocks;
};

/// All weights, packed in groups of `DenseKernels::channels` output channels: weight (o, tap) of group g is
/// weights[(g * group * taps) + tap * size + o], size = channels in that group. Tap t looks at offset[t];
/// behind the last offset there is one more, which is read and not used. `block` taps are taken at a time.
struct DenseRows {
  const float* weights;
  const std::uint32_t* offset;
  int channels, taps, block;
};

/// Distance of neighbouring input pixels, which the kernels have as a constant where it is common.
enum ColumnStep { step_one, step_two, step_any, column_steps };

constexpr ColumnStep column_step(int pixels) { return pixels == 1 ? step_one : pixels == 2 ? step_two : step_any; }

struct SparseKernels {
  static constexpr int rows = 4, cols = 8;
  int max_pixels;  ///< rows * cols of the largest tile; entries for larger ones are null
  void (*tile[column_steps][rows][cols])(const Tile&, const SparseRows&);
};

struct DenseKernels {
  static constexpr int max_cols = 6;
  int channels, cols;  ///< the register tile: output channels and pixels of one row
  void (*tile[column_steps][max_cols])(const Tile&, const DenseRows&);
};

/// A rectangle of output pixels of one image block over which products are summed: sums[...] += sum over pixels and
/// images of x[offset + pixel] * dy[channel, pixel].
struct GradientTile {
  const float* x;
  const float* dy;  ///< channel 0
  int rows, cols;
  std::ptrdiff_t x_row, x_col, dy_row, dy_plane;
  int first, last;  ///< output channels
};

struct GradientKernels {
  int sparse_taps;     ///< the register tile of `sparse`: so many taps of one channel
  int dense_channels;  ///< the register tile of `dense` is a multiple of it
  /// sums[i] for the offsets i in [start[o], start[o + 1]) of each channel o.
  void (*sparse[column_steps])(const GradientTile&, const std::uint32_t* offset, const std::uint32_t* start,
                               float* sums);
  /// sums[o * leading + i] for the offsets i in [0, taps), the same for every channel.
  void (*dense[column_steps])(const GradientTile&, const std::uint32_t* offset, int taps, std::ptrdiff_t leading,
                              float* sums);
};

}  // namespace conv

S2SAM_KERNEL_TABLE(conv::SparseKernels, conv_sparse_kernels)
S2SAM_KERNEL_TABLE(conv::DenseKernels, conv_dense_kernels)
S2SAM_KERNEL_TABLE(conv::GradientKernels, conv_gradient_kernels)

}  // namespace s2sam
