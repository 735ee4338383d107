#pragma once

#include <cmath>

#include "s2sam/random.hpp"

/// The arithmetic of one element of the optimizer step, the same for every backend. Always inlined: a backend compiles
/// it for several instruction sets, and no copy of one may serve another.
#define S2SAM_ELEMENT S2SAM_HOST_DEVICE [[gnu::always_inline]] inline

namespace s2sam {

/// a * b + c, rounded once wherever the processor can. Said outright, so that which products are fused never depends
/// on the code around and the same update gives the same bits in every variant of a kernel.
S2SAM_ELEMENT float multiply_add(float a, float b, float c) {
#if defined(__CUDA_ARCH__)
  return fmaf(a, b, c);
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

/// Whether a norm can divide a perturbation.
S2SAM_ELEMENT bool usable_norm(float norm) { return norm > 0.0F && norm <= 3.402823466e38F; }

/// Whether a gradient of this norm may be stepped with: it is not infinite and not NaN.
S2SAM_ELEMENT bool finite_norm(float norm) { return norm <= 3.402823466e38F; }

/// What the gradient is multiplied by so that its norm is at most max_norm (0: no limit), as PyTorch's clip_grad_norm_.
S2SAM_ELEMENT float clip_scale(float max_norm, float norm) {
  if (!(max_norm > 0.0F)) return 1.0F;
  const float scale = max_norm / (norm + 1e-6F);
  return scale < 1.0F ? scale : 1.0F;
}

/// What the gradient is multiplied by so that it becomes SAM's perturbation of length rho.
S2SAM_ELEMENT float ascent_scale(float rho, float norm) { return rho / (norm + 1e-12F); }

/// What a gradient of the scaled loss is multiplied by to give that of the loss; a loss_scale of 0 means 1.
S2SAM_ELEMENT float unscale(float loss_scale) { return loss_scale > 0.0F ? 1.0F / loss_scale : 1.0F; }

/// Dynamic loss scaling: the scale, and how many finite steps there were since it last changed.
struct LossScale {
  float scale, good_steps;
};

/// After a step with this gradient norm: halved (not below 1) where it is not finite, doubled (not above 2^24) after `interval`
/// finite ones in a row. Powers of two, so that scaling never rounds.
S2SAM_ELEMENT LossScale next_loss_scale(LossScale now, float grad_norm, int interval) {
  if (now.scale == 0.0F) return now;
  if (!finite_norm(grad_norm)) return {now.scale > 2.0F ? now.scale * 0.5F : 1.0F, 0.0F};
  const float good_steps = now.good_steps + 1.0F;
  if (good_steps < static_cast<float>(interval)) return {now.scale, good_steps};
  return {now.scale < 0x1p23F ? now.scale * 2.0F : 0x1p24F, 0.0F};
}

/// The scalars of an SGD step (PyTorch's form); gradient_scale is the clipping and undoes the loss scale.
struct Sgd {
  float lr, momentum, gradient_scale;
};

/// d = scaled g + decay * w, v = momentum * v + d, w -= lr * (nesterov ? d + momentum * v : v).
template <bool nesterov>
S2SAM_ELEMENT void sgd_update(const Sgd& sgd, float decay, float g, float& v, float& w) {
  const float d = multiply_add(decay, w, g * sgd.gradient_scale);
  v = multiply_add(sgd.momentum, v, d);
  const float direction = nesterov ? multiply_add(sgd.momentum, v, d) : v;
  w = multiply_add(-sgd.lr, direction, w);
}

/// w + e with e = scale * g, scale = ascent_scale(rho, norm of g).
S2SAM_ELEMENT float ascend(float scale, float g, float w) { return multiply_add(scale, g, w); }

/// w + e with ASAM's e = scale * w^2 * g, scale = ascent_scale(rho, norm of |w| g).
S2SAM_ELEMENT float ascend_adaptive(float scale, float g, float w) { return multiply_add(scale, w * w * g, w); }

}  // namespace s2sam
