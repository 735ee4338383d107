#include <algorithm>

#include "cpu/activation.hpp"
#include "cpu/pool/pool.kernels.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

constexpr int lanes = ActivationLayout::lanes;

}  // namespace

void global_avg_pool_forward(Stream& stream, Tensor x, Tensor y) {
  stream.submit("globalAvgPool", [=](Context& context) {
    const auto sum_at = pool_kernels_for(context.isa()).sum_at;
    context.count({.bytes = bytes_of(x, y)});
    const ActivationLayout in(x);
    const float share = 1.0F / static_cast<float>(in.h * in.w);
    const Taps whole_row{0, 1, 0, static_cast<int>(in.w), 0, 0, 1};
    parallel_planes(context, in, [&](std::int64_t block, std::int64_t channel) {
      alignas(64) float mean[lanes], row[lanes];
      std::fill_n(mean, lanes, 0.0F);
      for (std::int64_t r = 0; r < in.h; ++r) {  // row by row: rounding grows with h + w, not h * w
        sum_at(x.as<const float>() + in.at(block, channel, r), in.row, whole_row, share, row);
        for (int lane = 0; lane < lanes; ++lane) mean[lane] += row[lane];
      }
      for (int lane = 0; lane < in.live_lanes(block); ++lane) {
        y.as<float>()[(block * lanes + lane) * in.c + channel] = mean[lane];
      }
    });
  });
}

void global_avg_pool_backward(Stream& stream, Tensor dy, Tensor dx) {
  stream.submit("globalAvgPoolBackward", [=](Context& context) {
    context.count({.bytes = bytes_of(dy, dx)});
    const ActivationLayout out(dx);
    const float share = 1.0F / static_cast<float>(out.h * out.w);
    parallel_planes(context, out, [&](std::int64_t block, std::int64_t channel) {
      clear_border(out, dx.as<float>(), block, channel);
      float pixel[lanes]{};
      for (int lane = 0; lane < out.live_lanes(block); ++lane) {
        pixel[lane] = dy.as<const float>()[(block * lanes + lane) * out.c + channel] * share;
      }
      for (std::int64_t r = 0; r < out.h; ++r) {
        float* row = dx.as<float>() + out.at(block, channel, r);
        for (std::int64_t c = 0; c < out.w; ++c) std::copy_n(pixel, lanes, row + c * lanes);
      }
    });
  });
}

}  // namespace s2sam::ops
