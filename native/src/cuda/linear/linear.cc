#include "cuda/conv/engines.hpp"
#include "cuda/linear/bias.hpp"
#include "s2sam/ops.hpp"

/// A linear layer is a convolution of images of one pixel.
namespace s2sam::ops {

void linear_forward(Stream& stream, Tensor x, Tensor w, MaskRef mask, Tensor bias_or_null, Tensor y) {
  stream.submit("linear", [&](Op& op) {
    const bool biased = static_cast<bool>(bias_or_null);
    if (biased) linear::spread_bias(op, bias_or_null, y);
    const conv::Tensors tensors{x, w, y};
    conv::run(op, conv::linear_problem_of(conv::Pass::forward, tensors, biased), tensors, mask);
  });
}

void linear_backward_data(Stream& stream, Tensor dy, Tensor w, MaskRef mask, bool accumulate, Tensor dx) {
  stream.submit("linearBackwardData", [&](Op& op) {
    const conv::Tensors tensors{dx, w, dy};
    conv::run(op, conv::linear_problem_of(conv::Pass::data, tensors, accumulate), tensors, mask);
  });
}

void linear_backward_weight(Stream& stream, Tensor x, Tensor dy, MaskRef mask, GradientAt at, bool accumulate, Tensor dw) {
  stream.submit("linearBackwardWeight", [&](Op& op) {
    const conv::Tensors tensors{x, dw, dy, conv::wanted(mask, at)};
    conv::run(op, conv::linear_problem_of(conv::Pass::weight, tensors, accumulate), tensors, mask);
  });
}

void linear_backward_bias(Stream& stream, Tensor dy, bool accumulate, Tensor db) {
  stream.submit("linearBackwardBias", [&](Op& op) { linear::sum_columns(op, dy, accumulate, db); });
}

}  // namespace s2sam::ops
