#include "cpu/conv/pass.hpp"

#include <algorithm>

namespace s2sam::conv {

namespace {

Axis forward_axis(int kernel, int stride, int pad, int extent) {
  Axis axis{extent, 0, 1, -pad, stride, {}};
  for (int k = 0; k < kernel; ++k) axis.shift.push_back(k);
  return axis;
}

/// Pixels phase, phase + stride, ... of dx. Pixel r = phase + i * stride receives from dy pixel (r + pad - k) /
/// stride where that is whole, which depends on the phase alone.
Axis backward_axis(int kernel, int stride, int pad, int extent, int phase) {
  Axis axis{(extent - phase + stride - 1) / stride, phase, stride, 0, 1, std::vector<int>(kernel, -1)};
  const auto whole = [&](int k) { return (phase + pad - k) % stride == 0; };
  for (int k = kernel - 1; k >= 0; --k) {
    if (!whole(k)) continue;
    const int source = (phase + pad - k) / stride;
    if (axis.taps() == 0) axis.in_first = source;
    axis.shift[k] = source - axis.in_first;
  }
  return axis;
}

}  // namespace

int Axis::taps() const {
  return static_cast<int>(std::count_if(shift.begin(), shift.end(), [](int s) { return s >= 0; }));
}

int Axis::largest_shift() const { return *std::max_element(shift.begin(), shift.end()); }

int Axis::border(int in_extent) const {
  if (count == 0 || taps() == 0) return 0;
  const int last = in_first + (count - 1) * in_step + largest_shift();
  return std::max({0, -in_first, last - (in_extent - 1)});
}

std::vector<Pass> passes(Direction direction, const Weights& weights, const ops::Conv2d& geometry, int out_h,
                         int out_w) {
  if (direction == Direction::forward) {
    return {{forward_axis(weights.height, geometry.stride_h, geometry.pad_h, out_h),
             forward_axis(weights.width, geometry.stride_w, geometry.pad_w, out_w)}};
  }
  std::vector<Pass> all;
  for (int phase_h = 0; phase_h < std::min(geometry.stride_h, out_h); ++phase_h) {
    for (int phase_w = 0; phase_w < std::min(geometry.stride_w, out_w); ++phase_w) {
      all.push_back({backward_axis(weights.height, geometry.stride_h, geometry.pad_h, out_h, phase_h),
                     backward_axis(weights.width, geometry.stride_w, geometry.pad_w, out_w, phase_w)});
    }
  }
  return all;
}

}  // namespace s2sam::conv
