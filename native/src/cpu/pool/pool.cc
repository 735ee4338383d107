#include <algorithm>

#include "cpu/activation.hpp"
#include "cpu/pool/pool.kernels.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

constexpr int lanes = ActivationLayout::lanes;

/// The taps of output pixel (r, c) that fall on an input of h x w pixels.
Taps taps_at(const Window& window, std::int64_t h, std::int64_t w, std::int64_t r, std::int64_t c) {
  const int first_r = static_cast<int>(r) * window.stride_h - window.pad_h;
  const int first_c = static_cast<int>(c) * window.stride_w - window.pad_w;
  return {std::max(first_r, 0), std::min(first_r + window.kernel_h, static_cast<int>(h)),
          std::max(first_c, 0), std::min(first_c + window.kernel_w, static_cast<int>(w)),
          first_r,              first_c,
          window.kernel_w};
}

/// Calls body(plane of `large`, pixel of `small`, the pixel's number in the backend's order, taps) for every pixel of
/// `small`, the pooled tensor, planes in parallel; prepare(block, channel) comes first in each plane.
template <class Prepare, class Body>
void for_each_window(Context& context, const Tensor& large, const Tensor& small, const Window& window,
                     const Prepare& prepare, const Body& body) {
  context.count({.bytes = bytes_of(large, small)});
  const ActivationLayout in(large), out(small);
  parallel_planes(context, out, [&](std::int64_t block, std::int64_t channel) {
    prepare(block, channel);
    float* plane = large.as<float>() + in.at(block, channel);
    const std::int64_t first = (block * out.c + channel) * out.h * out.w;
    for (std::int64_t r = 0; r < out.h; ++r) {
      float* row = small.as<float>() + out.at(block, channel, r);
      for (std::int64_t c = 0; c < out.w; ++c) {
        body(plane, row + c * lanes, first + r * out.w + c, taps_at(window, in.h, in.w, r, c));
      }
    }
  });
}

void clear_plane(const Tensor& x, std::int64_t block, std::int64_t channel) {
  const ActivationLayout layout(x);
  std::fill_n(x.as<float>() + block * layout.block + channel * layout.plane, layout.plane, 0.0F);
}

float share_of(const Window& window) { return 1.0F / static_cast<float>(window.kernel_h * window.kernel_w); }

}  // namespace

void max_pool_forward(Stream& stream, Tensor x, Window window, Tensor y, Tensor argmax) {
  stream.submit("maxPool", [=](Context& context) {
    const auto max_at = pool_kernels_for(context.isa()).max_at;
    const ActivationLayout in(x), out(y);
    for_each_window(
        context, x, y, window,
        [&](std::int64_t block, std::int64_t channel) { clear_border(out, y.as<float>(), block, channel); },
        [&](const float* plane, float* pixel, std::int64_t number, const Taps& taps) {
          max_at(plane, in.row, taps, pixel, argmax.as<std::uint8_t>() + number * lanes);
        });
  });
}

void max_pool_backward(Stream& stream, Tensor dy, Tensor argmax, Window window, Tensor dx) {
  stream.submit("maxPoolBackward", [=](Context& context) {
    const auto max_scatter = pool_kernels_for(context.isa()).max_scatter;
    const ActivationLayout in(dx);
    for_each_window(
        context, dx, dy, window, [&](std::int64_t block, std::int64_t channel) { clear_plane(dx, block, channel); },
        [&](float* plane, const float* pixel, std::int64_t number, const Taps& taps) {
          max_scatter(pixel, argmax.as<const std::uint8_t>() + number * lanes, taps, plane, in.row);
        });
  });
}

void avg_pool_forward(Stream& stream, Tensor x, Window window, Tensor y) {
  stream.submit("avgPool", [=](Context& context) {
    const auto sum_at = pool_kernels_for(context.isa()).sum_at;
    const ActivationLayout in(x), out(y);
    for_each_window(
        context, x, y, window,
        [&](std::int64_t block, std::int64_t channel) { clear_border(out, y.as<float>(), block, channel); },
        [&](const float* plane, float* pixel, std::int64_t, const Taps& taps) {
          sum_at(plane, in.row, taps, share_of(window), pixel);
        });
  });
}

void avg_pool_backward(Stream& stream, Tensor dy, Window window, Tensor dx) {
  stream.submit("avgPoolBackward", [=](Context& context) {
    const auto sum_scatter = pool_kernels_for(context.isa()).sum_scatter;
    const ActivationLayout in(dx);
    for_each_window(
        context, dx, dy, window, [&](std::int64_t block, std::int64_t channel) { clear_plane(dx, block, channel); },
        [&](float* plane, const float* pixel, std::int64_t, const Taps& taps) {
          sum_scatter(pixel, taps, share_of(window), plane, in.row);
        });
  });
}

}  // namespace s2sam::ops
