#include <algorithm>

#include "cpu/conv/correlate.hpp"
#include "cpu/conv/weight_gradient.hpp"
#include "cpu/linear/interleave.hpp"
#include "s2sam/ops.hpp"

/// A linear layer is a 1x1 convolution: with 16 samples innermost, the blocks of samples take the place of pixels.
namespace s2sam::ops {

namespace {

void multiply(Context& context, conv::Direction direction, const Tensor& in, const Tensor& w, Mask* mask,
              const Tensor& bias_or_null, bool accumulate, const Tensor& out) {
  const Tensor source = interleave(context, in, conv::slot_in);
  const Tensor target = interleaved(context, out.shape, conv::slot_out);
  conv::correlate(context, direction, source, w, mask, {}, false, target);
  deinterleave(context, target, bias_or_null, accumulate, out);
}

}  // namespace

void linear_forward(Stream& stream, Tensor x, Tensor w, MaskRef mask, Tensor bias_or_null, Tensor y) {
  stream.submit("linear", [=](Context& context) {
    multiply(context, conv::Direction::forward, x, w, mask.get(), bias_or_null, false, y);
  });
}

void linear_backward_data(Stream& stream, Tensor dy, Tensor w, MaskRef mask, bool accumulate, Tensor dx) {
  stream.submit("linearBackwardData", [=](Context& context) {
    multiply(context, conv::Direction::backward, dy, w, mask.get(), {}, accumulate, dx);
  });
}

void linear_backward_weight(Stream& stream, Tensor x, Tensor dy, MaskRef mask, GradientAt at, bool accumulate,
                            Tensor dw) {
  stream.submit("linearBackwardWeight", [=](Context& context) {
    const Tensor source = interleave(context, x, conv::slot_in);
    const Tensor gradient = interleave(context, dy, conv::slot_out);
    conv::weight_gradient(context, source, gradient, mask.get(), {}, at, accumulate, dw);
  });
}

void linear_backward_bias(Stream& stream, Tensor dy, bool accumulate, Tensor db) {
  stream.submit("linearBackwardBias", [=](Context& context) {
    constexpr std::int64_t group = 64;  // columns summed together, so that rows are read in whole cache lines
    const std::int64_t samples = dy.shape[0], features = dy.shape[1];
    context.parallel((features + group - 1) / group, [&](std::ptrdiff_t g) {
      const std::int64_t first = g * group, count = std::min(group, features - first);
      double sum[group] = {};
      for (std::int64_t n = 0; n < samples; ++n) {
        const float* row = dy.as<const float>() + n * features + first;
        for (std::int64_t i = 0; i < count; ++i) sum[i] += row[i];
      }
      float* to = db.as<float>() + first;
      for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(accumulate ? to[i] + sum[i] : sum[i]);
    });
  });
}

}  // namespace s2sam::ops
