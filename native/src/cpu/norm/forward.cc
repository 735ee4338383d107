#include <cmath>

#include "cpu/norm/channels.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

using namespace norm;

namespace {

/// y = relu?((x - saved_mean) * gamma * saved_inv_std + beta + residual?), plane by plane.
struct Normalise {
  Tensor x, gamma, beta, residual, y, saved_mean, saved_inv_std, passed;
  bool relu;

  void plane(const Planes& planes, std::int64_t block, std::int64_t channel) const {
    const int live = planes.layout.live_lanes(block);
    LaneCoefficients c;
    spread(c.mean, saved_mean.as<const float>()[channel], live);
    spread(c.scale, gamma.as<const float>()[channel] * saved_inv_std.as<const float>()[channel], live);
    spread(c.shift, beta.as<const float>()[channel], live);
    planes.kernels.forward[relu][static_cast<bool>(residual)](plane_in(x, block, channel),
                                                              plane_in(residual, block, channel), planes.h, planes.w, c,
                                                              plane_out(y, block, channel),
                                                              passed_in(passed, planes.layout, block, channel));
  }
};

struct Moments {
  double mean, deviations;  ///< deviations: sum of their squares
};

/// Joins the mean and the deviations of a channel's planes (Chan, Golub, LeVeque 1979).
Moments join(const Planes& planes, const Partial* of_block) {
  const ActivationLayout& layout = planes.layout;
  Moments all{0.0, 0.0};
  for (std::int64_t b = 0; b < layout.blocks; ++b) all.mean += layout.live_lanes(b) * of_block[b].first;
  all.mean /= static_cast<double>(layout.n);
  for (std::int64_t b = 0; b < layout.blocks; ++b) {
    const double offset = of_block[b].first - all.mean;
    all.deviations += of_block[b].second + layout.live_lanes(b) * planes.h * planes.w * offset * offset;
  }
  return all;
}

float inverse_std(double variance, float eps) { return static_cast<float>(1.0 / std::sqrt(variance + eps)); }

void update_running(const Tensor& running, std::int64_t channel, float momentum, double value) {
  if (!running) return;
  float& slot = running.as<float>()[channel];
  slot = (1.0F - momentum) * slot + momentum * static_cast<float>(value);
}

}  // namespace

std::int64_t passed_bytes(const Tensor& x) {
  const ActivationLayout layout(x);
  return layout.blocks * layout.c * layout.h * layout.w * static_cast<std::int64_t>(sizeof(std::uint16_t));
}

void batch_norm_train(Stream& stream, Tensor x, Tensor gamma, Tensor beta, Tensor residual, Tensor running_mean,
                      Tensor running_var, BatchNorm options, Tensor y, Tensor saved_mean, Tensor saved_inv_std,
                      Tensor passed) {
  const Normalise normalise{x, gamma, beta, residual, y, saved_mean, saved_inv_std, passed, options.relu};
  stream.submit("batchNormTrain", [=](Context& context) {
    context.count({.bytes = bytes_of(x, residual, y, passed)});
    const Planes planes(context, x);
    const Partials partials(context, planes.layout);
    by_channel(
        context, planes.layout,
        [&](std::int64_t block, std::int64_t channel) {
          Partial& to = partials.of(channel)[block];
          planes.kernels.moments(plane_in(x, block, channel), planes.h, planes.w, planes.layout.live_lanes(block),
                                 &to.first, &to.second);
        },
        [&](std::int64_t channel) {
          const Moments moments = join(planes, partials.of(channel));
          saved_mean.as<float>()[channel] = static_cast<float>(moments.mean);
          saved_inv_std.as<float>()[channel] = inverse_std(moments.deviations / planes.count, options.eps);
          update_running(running_mean, channel, options.momentum, moments.mean);
          update_running(running_var, channel, options.momentum,
                         moments.deviations / std::max(planes.count - 1.0, 1.0));
        },
        [&](std::int64_t block, std::int64_t channel) { normalise.plane(planes, block, channel); });
  });
}

void batch_norm_eval(Stream& stream, Tensor x, Tensor gamma, Tensor beta, Tensor residual, Tensor running_mean,
                     Tensor running_var, BatchNorm options, Tensor y, Tensor saved_mean, Tensor saved_inv_std,
                     Tensor passed) {
  const Normalise normalise{x, gamma, beta, residual, y, saved_mean, saved_inv_std, passed, options.relu};
  stream.submit("batchNormEval", [=](Context& context) {
    context.count({.bytes = bytes_of(x, residual, y, passed)});
    const Planes planes(context, x);
    for (std::int64_t channel = 0; channel < planes.layout.c; ++channel) {
      saved_mean.as<float>()[channel] = running_mean.as<const float>()[channel];
      saved_inv_std.as<float>()[channel] = inverse_std(running_var.as<const float>()[channel], options.eps);
    }
    parallel_planes(context, planes.layout,
                    [&](std::int64_t block, std::int64_t channel) { normalise.plane(planes, block, channel); });
  });
}

}  // namespace s2sam::ops
