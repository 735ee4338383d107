#include "cuda/launch.hpp"
#include "s2sam/ops.hpp"
#include "s2sam/update.hpp"

namespace s2sam {

namespace {

__global__ void loss_scale_kernel(float* stats, int interval) {
  const LossScale now{stats[ops::stat_loss_scale], stats[ops::stat_good_steps]};
  const LossScale next = next_loss_scale(now, stats[ops::stat_grad_norm], interval);
  stats[ops::stat_loss_scale] = next.scale;
  stats[ops::stat_good_steps] = next.good_steps;
}

}  // namespace

namespace ops {

void update_loss_scale(Stream& stream, int interval, Tensor stats) {
  stream.submit("updateLossScale", [&](Op& op) { launch(op, loss_scale_kernel, 1, 1, stats.as<float>(), interval); });
}

}  // namespace ops

}  // namespace s2sam
