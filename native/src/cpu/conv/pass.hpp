#pragma once

#include <vector>

#include "s2sam/ops.hpp"

/// Convolutions as correlations: forward is one, backward to the data is one for each parity class of the stride, in
/// which the output pixels step by the stride and the input pixels by one. So one pair of kernels serves both
/// directions.
namespace s2sam::conv {

/// Extents of a weight [out, in, height, width]; a linear weight [out, in] has a 1x1 kernel.
struct Weights {
  std::int64_t out, in;
  int height, width;

  explicit Weights(const Shape& shape)
      : out(shape[0]),
        in(shape[1]),
        height(shape.rank() > 2 ? static_cast<int>(shape[2]) : 1),
        width(shape.rank() > 3 ? static_cast<int>(shape[3]) : 1) {}

  std::int64_t count() const { return out * in * height * width; }
};

/// One axis of a correlation: output pixel out_first + i * out_step, i < count, sums over the kernel positions k with
/// shift[k] >= 0 the input pixel in_first + i * in_step + shift[k].
struct Axis {
  int count;
  int out_first, out_step;
  int in_first, in_step;
  std::vector<int> shift;

  /// How many pixels beyond an input of this extent are read, on the side where it is more.
  int border(int in_extent) const;
  int taps() const;
  int largest_shift() const;
};

struct Pass {
  Axis h, w;
};

enum class Direction { forward, backward };

/// The passes that compute an output of `out_h` x `out_w` pixels: y forward, dx backward.
std::vector<Pass> passes(Direction direction, const Weights& weights, const ops::Conv2d& geometry, int out_h,
                         int out_w);

}  // namespace s2sam::conv
