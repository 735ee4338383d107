#include <algorithm>
#include <cmath>

#include "cpu/activation.hpp"
#include "cpu/norm/batch_norm.kernels.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

constexpr int lanes = ActivationLayout::lanes;

PlaneIn plane_in(const Tensor& x, std::int64_t block, std::int64_t channel) {
  if (!x) return {};
  const ActivationLayout layout(x);
  return {x.as<const float>() + layout.at(block, channel), layout.row};
}

/// Clears the border while it is at it: the plane is about to be written.
PlaneOut plane_out(const Tensor& y, std::int64_t block, std::int64_t channel) {
  if (!y) return {};
  const ActivationLayout layout(y);
  clear_border(layout, y.as<float>(), block, channel);
  return {y.as<float>() + layout.at(block, channel), layout.row};
}

/// Runs gather(block, channel) on every plane, then finish(channel), then apply(block, channel). Channel by channel where
/// there are enough of them, because the end of a channel is then still in cache when apply begins with it.
template <class Gather, class Finish, class Apply>
void by_channel(Context& context, const ActivationLayout& layout, const Gather& gather, const Finish& finish,
                const Apply& apply) {
  const auto backwards = [&](std::int64_t channel) {
    for (std::int64_t block = layout.blocks - 1; block >= 0; --block) apply(block, channel);
  };
  if (layout.c >= 4 * context.threads() || layout.blocks == 1) {
    context.parallel(layout.c, [&](std::ptrdiff_t channel) {
      for (std::int64_t block = 0; block < layout.blocks; ++block) gather(block, channel);
      finish(channel);
      backwards(channel);
    });
    return;
  }
  parallel_planes(context, layout, gather);
  for (std::int64_t channel = 0; channel < layout.c; ++channel) finish(channel);
  parallel_planes(context, layout, apply);
}

/// Two numbers for every plane, joined per channel in the order of the blocks.
struct Partial {
  double first, second;
};

Partial* partials(Context& context, const ActivationLayout& layout) {
  const auto count = static_cast<std::size_t>(layout.blocks * layout.c);
  return static_cast<Partial*>(context.scratch(count * sizeof(Partial), 0));
}

struct Moments {
  double mean, deviations;  ///< deviations: sum of squares
};

/// Joins (mean, deviations) of a channel's planes (Chan, Golub, LeVeque 1979).
Moments join_moments(const ActivationLayout& layout, const Partial* of_block) {
  const double pixels = static_cast<double>(layout.h * layout.w);
  double mean = 0.0, deviations = 0.0;
  for (std::int64_t b = 0; b < layout.blocks; ++b) mean += layout.live_lanes(b) * of_block[b].first;
  mean /= static_cast<double>(layout.n);
  for (std::int64_t b = 0; b < layout.blocks; ++b) {
    const double offset = of_block[b].first - mean;
    deviations += of_block[b].second + layout.live_lanes(b) * pixels * offset * offset;
  }
  return {mean, deviations};
}

void broadcast(float (&to)[lanes], float value, int live) {
  std::fill_n(to, live, value);
  std::fill_n(to + live, lanes - live, 0.0F);
}

/// What the forward pass needs beyond x, y and the channel's saved statistics.
struct Forward {
  Tensor x, gamma, beta, residual, y, saved_mean, saved_inv_std;
  bool relu;

  void apply(const BatchNormKernels& kernels, std::int64_t block, std::int64_t channel) const {
    const ActivationLayout layout(x);
    const int live = layout.live_lanes(block);
    LaneCoefficients c;
    broadcast(c.mean, saved_mean.as<const float>()[channel], live);
    broadcast(c.scale, gamma.as<const float>()[channel] * saved_inv_std.as<const float>()[channel], live);
    broadcast(c.shift, beta.as<const float>()[channel], live);
    kernels.forward[relu][static_cast<bool>(residual)](
        plane_in(x, block, channel), plane_in(residual, block, channel), static_cast<int>(layout.h),
        static_cast<int>(layout.w), c, plane_out(y, block, channel));
  }
};

float inverse_std(double variance, float eps) { return static_cast<float>(1.0 / std::sqrt(variance + eps)); }

void update_running(const Tensor& running, std::int64_t channel, float momentum, double value) {
  if (!running) return;
  float& slot = running.as<float>()[channel];
  slot = (1.0F - momentum) * slot + momentum * static_cast<float>(value);
}

}  // namespace

void batch_norm_train(Stream& stream, Tensor x, Tensor gamma, Tensor beta, Tensor residual, Tensor running_mean,
                      Tensor running_var, BatchNorm options, Tensor y, Tensor saved_mean, Tensor saved_inv_std) {
  const Forward pass{x, gamma, beta, residual, y, saved_mean, saved_inv_std, options.relu};
  stream.submit("batchNormTrain", [=](Context& context) {
    const BatchNormKernels& kernels = batch_norm_kernels_for(context.isa());
    const ActivationLayout layout(x);
    const int h = static_cast<int>(layout.h), w = static_cast<int>(layout.w);
    const double count = static_cast<double>(layout.n * layout.h * layout.w);
    Partial* partial = partials(context, layout);
    by_channel(
        context, layout,
        [&](std::int64_t block, std::int64_t channel) {
          Partial& to = partial[channel * layout.blocks + block];
          kernels.moments(plane_in(x, block, channel), h, w, layout.live_lanes(block), &to.first, &to.second);
        },
        [&](std::int64_t channel) {
          const Moments moments = join_moments(layout, partial + channel * layout.blocks);
          saved_mean.as<float>()[channel] = static_cast<float>(moments.mean);
          saved_inv_std.as<float>()[channel] = inverse_std(moments.deviations / count, options.eps);
          update_running(running_mean, channel, options.momentum, moments.mean);
          update_running(running_var, channel, options.momentum, moments.deviations / std::max(count - 1.0, 1.0));
        },
        [&](std::int64_t block, std::int64_t channel) { pass.apply(kernels, block, channel); });
  });
}

void batch_norm_eval(Stream& stream, Tensor x, Tensor gamma, Tensor beta, Tensor residual, Tensor running_mean,
                     Tensor running_var, BatchNorm options, Tensor y, Tensor saved_mean, Tensor saved_inv_std) {
  const Forward pass{x, gamma, beta, residual, y, saved_mean, saved_inv_std, options.relu};
  stream.submit("batchNormEval", [=](Context& context) {
    const BatchNormKernels& kernels = batch_norm_kernels_for(context.isa());
    const ActivationLayout layout(x);
    for (std::int64_t channel = 0; channel < layout.c; ++channel) {
      saved_mean.as<float>()[channel] = running_mean.as<const float>()[channel];
      saved_inv_std.as<float>()[channel] = inverse_std(running_var.as<const float>()[channel], options.eps);
    }
    parallel_planes(context, layout,
                    [&](std::int64_t block, std::int64_t channel) { pass.apply(kernels, block, channel); });
  });
}

void batch_norm_backward(Stream& stream, Tensor dy, Tensor x, Tensor y, Tensor gamma, Tensor saved_mean,
                         Tensor saved_inv_std, BatchNorm options, bool training, bool accumulate, Tensor dx,
                         Tensor dresidual, Tensor dgamma, Tensor dbeta) {
  const Tensor mask = options.relu ? y : Tensor{};
  stream.submit("batchNormBackward", [=](Context& context) {
    const BatchNormKernels& kernels = batch_norm_kernels_for(context.isa());
    const ActivationLayout layout(x);
    const int h = static_cast<int>(layout.h), w = static_cast<int>(layout.w);
    const double count = static_cast<double>(layout.n * layout.h * layout.w);
    Partial* partial = partials(context, layout);
    // Of each channel: dx = dz * scale + (x - mean) * slope + shift.
    struct Slopes {
      float scale, slope, shift;
    };
    auto* slopes = static_cast<Slopes*>(context.scratch(static_cast<std::size_t>(layout.c) * sizeof(Slopes), 1));
    by_channel(
        context, layout,
        [&](std::int64_t block, std::int64_t channel) {
          alignas(64) float mean[lanes];
          broadcast(mean, saved_mean.as<const float>()[channel], layout.live_lanes(block));
          Partial& to = partial[channel * layout.blocks + block];
          kernels.backward_sums[options.relu](plane_in(dy, block, channel), plane_in(x, block, channel),
                                              plane_in(mask, block, channel), h, w, mean, &to.first, &to.second);
        },
        [&](std::int64_t channel) {
          double sum = 0.0, product = 0.0;
          for (std::int64_t b = 0; b < layout.blocks; ++b) {
            sum += partial[channel * layout.blocks + b].first;
            product += partial[channel * layout.blocks + b].second;
          }
          const double inv_std = saved_inv_std.as<const float>()[channel];
          const double scale = gamma.as<const float>()[channel] * inv_std;
          const double batch = training ? scale / count : 0.0;  // without training the statistics are constants
          slopes[channel] = {static_cast<float>(scale), static_cast<float>(-batch * inv_std * inv_std * product),
                             static_cast<float>(-batch * sum)};
          float& dg = dgamma.as<float>()[channel];
          float& db = dbeta.as<float>()[channel];
          dg = (accumulate ? dg : 0.0F) + static_cast<float>(product * inv_std);
          db = (accumulate ? db : 0.0F) + static_cast<float>(sum);
        },
        [&](std::int64_t block, std::int64_t channel) {
          const int live = layout.live_lanes(block);
          LaneCoefficients c;
          broadcast(c.mean, saved_mean.as<const float>()[channel], live);
          broadcast(c.scale, slopes[channel].scale, live);
          broadcast(c.slope, slopes[channel].slope, live);
          broadcast(c.shift, slopes[channel].shift, live);
          kernels.backward[options.relu][static_cast<bool>(dresidual)](
              plane_in(dy, block, channel), plane_in(x, block, channel), plane_in(mask, block, channel), h, w, c,
              plane_out(dx, block, channel), plane_out(dresidual, block, channel));
        });
  });
}

}  // namespace s2sam::ops
