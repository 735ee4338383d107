#include "cuda/conv/engines.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

void conv2d_forward(Stream& stream, Tensor x, Tensor w, MaskRef mask, Conv2d geometry, Tensor y) {
  stream.submit("conv2d", [&](Op& op) {
    const conv::Tensors tensors{x, w, y};
    conv::run(op, conv::problem_of(conv::Pass::forward, tensors, geometry, false), tensors, mask);
  });
}

void conv2d_backward_data(Stream& stream, Tensor dy, Tensor w, MaskRef mask, Conv2d geometry, bool accumulate, Tensor dx) {
  stream.submit("conv2dBackwardData", [&](Op& op) {
    const conv::Tensors tensors{dx, w, dy};
    conv::run(op, conv::problem_of(conv::Pass::data, tensors, geometry, accumulate), tensors, mask);
  });
}

void conv2d_backward_weight(Stream& stream, Tensor x, Tensor dy, MaskRef mask, Conv2d geometry, GradientAt at, bool accumulate,
                            Tensor dw) {
  stream.submit("conv2dBackwardWeight", [&](Op& op) {
    const conv::Tensors tensors{x, dw, dy, conv::wanted(mask, at)};
    conv::run(op, conv::problem_of(conv::Pass::weight, tensors, geometry, accumulate), tensors, mask);
  });
}

}  // namespace s2sam::ops
