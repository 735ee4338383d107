#include "cpu/norm/channels.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

using namespace norm;

namespace {

/// Of one channel: dx = dz * scale + (x - mean) * slope + shift.
struct Line {
  float scale, slope, shift;
};

struct Backward {
  Tensor dy, x, y, passed, gamma, saved_mean, saved_inv_std, dx, dresidual, dgamma, dbeta;
  Gate gate;
  bool training, accumulate;

  void sums(const Planes& planes, std::int64_t block, std::int64_t channel, Partial& to) const {
    alignas(64) float mean[ActivationLayout::lanes];
    spread(mean, saved_mean.as<const float>()[channel], planes.layout.live_lanes(block));
    planes.kernels.backward_sums[static_cast<int>(gate)](
        plane_in(dy, block, channel), plane_in(x, block, channel), plane_in(y, block, channel),
        passed_in(passed, planes.layout, block, channel), planes.h, planes.w, mean, &to.first, &to.second);
  }

  /// Writes the channel's parameter gradients, returns how dx follows.
  Line finish(const Planes& planes, std::int64_t channel, const Partial* of_block) const {
    double sum = 0.0, product = 0.0;  // of dz and of dz * (x - mean)
    for (std::int64_t b = 0; b < planes.layout.blocks; ++b) {
      sum += of_block[b].first;
      product += of_block[b].second;
    }
    const double inv_std = saved_inv_std.as<const float>()[channel];
    float& dg = dgamma.as<float>()[channel];
    float& db = dbeta.as<float>()[channel];
    dg = (accumulate ? dg : 0.0F) + static_cast<float>(product * inv_std);
    db = (accumulate ? db : 0.0F) + static_cast<float>(sum);

    const double scale = gamma.as<const float>()[channel] * inv_std;
    const double share = training ? scale / planes.count : 0.0;  // in evaluation the statistics are constants
    return {static_cast<float>(scale), static_cast<float>(-share * inv_std * inv_std * product),
            static_cast<float>(-share * sum)};
  }

  void plane(const Planes& planes, std::int64_t block, std::int64_t channel, const Line& line) const {
    const int live = planes.layout.live_lanes(block);
    LaneCoefficients c;
    spread(c.mean, saved_mean.as<const float>()[channel], live);
    spread(c.scale, line.scale, live);
    spread(c.slope, line.slope, live);
    spread(c.shift, line.shift, live);
    planes.kernels.backward[static_cast<int>(gate)][static_cast<bool>(dresidual)](
        plane_in(dy, block, channel), plane_in(x, block, channel), plane_in(y, block, channel),
        passed_in(passed, planes.layout, block, channel), planes.h, planes.w, c, plane_out(dx, block, channel), plane_out(dresidual, block, channel));
  }
};

}  // namespace

void batch_norm_backward(Stream& stream, Tensor dy, Tensor x, Tensor y, Tensor passed, Tensor gamma,
                         Tensor saved_mean, Tensor saved_inv_std, BatchNorm options, bool training, bool accumulate,
                         Tensor dx, Tensor dresidual, Tensor dgamma, Tensor dbeta) {
  const Gate gate = !options.relu ? Gate::none : passed ? Gate::bits : Gate::output;
  const Tensor output = gate == Gate::output ? y : Tensor{};
  const Backward backward{dy, x,         output, passed, gamma, saved_mean, saved_inv_std,
                          dx, dresidual, dgamma, dbeta,  gate,  training,   accumulate};
  stream.submit("batchNormBackward", [=](Context& context) {
    context.count({.bytes = bytes_of(dy, x, output, passed, dx, dresidual)});
    const Planes planes(context, x);
    const Partials partials(context, planes.layout);
    auto* line = static_cast<Line*>(context.scratch(static_cast<std::size_t>(planes.layout.c) * sizeof(Line), 1));
    by_channel(
        context, planes.layout,
        [&](std::int64_t block, std::int64_t channel) {
          backward.sums(planes, block, channel, partials.of(channel)[block]);
        },
        [&](std::int64_t channel) { line[channel] = backward.finish(planes, channel, partials.of(channel)); },
        [&](std::int64_t block, std::int64_t channel) { backward.plane(planes, block, channel, line[channel]); });
  });
}

}  // namespace s2sam::ops
