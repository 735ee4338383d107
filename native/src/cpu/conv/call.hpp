#pragma once

#include <algorithm>

#include "cpu/conv/kernels.hpp"
#include "cpu/conv/pass.hpp"
#include "cpu/conv/split.hpp"
#include "cpu/layout.hpp"
#include "cpu/stream.hpp"

/// What the ways to compute a correlation share.
namespace s2sam::conv {

/// One call: out (+)= the correlation of `in` with w.
struct Call {
  Context& context;
  Direction direction;
  const Tensor &in, &out;
  ActivationLayout from, to;
  const Tensor& w;
  Weights weights;
  bool accumulate;

  int inputs() const { return static_cast<int>(direction == Direction::forward ? weights.in : weights.out); }
  int outputs() const { return static_cast<int>(direction == Direction::forward ? weights.out : weights.in); }
};

/// Rectangles of output pixels, and how many of them to compute: all, or for a trial the first few.
struct Grid {
  Split rows, cols;
  int blocks;   ///< of images
  int strips;   ///< rows of rectangles in each block

  static Grid whole(const Call& call, const Split& rows, const Split& cols) {
    return {rows, cols, static_cast<int>(call.to.blocks), rows.pieces};
  }
};

/// Calls body(tile, rows, cols) for the tiles of a pass, spread over the threads. A job is a band of neighbouring rows,
/// which read much of the same input; output channels are split too, at multiples of `grain`, where bands are too few.
template <class Body>
void for_each_tile(const Call& call, const Pass& pass, const Grid& grid, int grain, const Body& body) {
  const ActivationLayout &from = call.from, &to = call.to;
  const int grains = (call.outputs() + grain - 1) / grain, wanted = 4 * call.context.threads();
  const Split bands{grid.strips, std::clamp(wanted / grid.blocks, 1, grid.strips)};
  const Split channels{grains, std::clamp(wanted / (grid.blocks * bands.pieces), 1, grains)};
  Tile shared{};
  shared.in_row = from.row * pass.h.in_step;
  shared.in_col = ActivationLayout::lanes * pass.w.in_step;
  shared.out_row = to.row * pass.h.out_step;
  shared.out_col = ActivationLayout::lanes * pass.w.out_step;
  shared.out_plane = to.plane;
  shared.accumulate = call.accumulate;
  shared.streams = !call.accumulate && bytes_of(call.out) > streamed_bytes;
  const auto jobs = static_cast<std::ptrdiff_t>(grid.blocks) * bands.pieces * channels.pieces;
  call.context.parallel(jobs, [&](std::ptrdiff_t job) {
    const auto part = static_cast<int>(job % channels.pieces), strip = static_cast<int>(job / channels.pieces);
    const int band = strip % bands.pieces, block = strip / bands.pieces;
    const float* in = call.in.as<const float>() + from.at(block, 0, pass.h.in_first, pass.w.in_first);
    float* out = call.out.as<float>() + to.at(block, 0, pass.h.out_first, pass.w.out_first);
    Tile tile = shared;
    tile.first = channels.begin(part) * grain;
    tile.last = std::min(channels.end(part) * grain, call.outputs());
    for (int i = bands.begin(band); i < bands.end(band); ++i) {
      for (int j = 0; j < grid.cols.pieces; ++j) {
        tile.in = in + grid.rows.begin(i) * tile.in_row + grid.cols.begin(j) * tile.in_col;
        tile.out = out + grid.rows.begin(i) * tile.out_row + grid.cols.begin(j) * tile.out_col;
        body(tile, grid.rows.end(i) - grid.rows.begin(i), grid.cols.end(j) - grid.cols.begin(j));
      }
    }
  });
}

}  // namespace s2sam::conv
