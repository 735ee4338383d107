#include "cpu/conv/correlate.hpp"
#include "cpu/conv/weight_gradient.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

void conv2d_forward(Stream& stream, Tensor x, Tensor w, MaskRef mask, Conv2d geometry, Tensor y) {
  stream.submit("conv2d", [=](Context& context) {
    conv::correlate(context, conv::Direction::forward, x, w, mask.get(), geometry, false, y);
  });
}

void conv2d_backward_data(Stream& stream, Tensor dy, Tensor w, MaskRef mask, Conv2d geometry, bool accumulate,
                          Tensor dx) {
  stream.submit("conv2dBackwardData", [=](Context& context) {
    conv::correlate(context, conv::Direction::backward, dy, w, mask.get(), geometry, accumulate, dx);
  });
}

void conv2d_backward_weight(Stream& stream, Tensor x, Tensor dy, MaskRef mask, Conv2d geometry, GradientAt at,
                            bool accumulate, Tensor dw) {
  stream.submit("conv2dBackwardWeight", [=](Context& context) {
    conv::weight_gradient(context, x, dy, mask.get(), geometry, at, accumulate, dw);
  });
}

}  // namespace s2sam::ops
