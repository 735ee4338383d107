#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

constexpr std::int64_t largest_extent = std::numeric_limits<std::int32_t>::max();

/// strideH, strideW, padH, padW from argument i on.
ops::Conv2d geometry(const Call& call, int i) {
  return {call.small(i, "strideH", 1), call.small(i + 1, "strideW", 1), call.small(i + 2, "padH", 0),
          call.small(i + 3, "padW", 0)};
}

ops::GradientAt gradient_at(const Call& call, int i) {
  return call.boolean(i, "everywhere") ? ops::GradientAt::all : ops::GradientAt::kept;
}

Napi::Value conv2d(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const Tensor& w = call.tensor(1, "w");
  const ops::MaskRef mask = call.optional_mask(2, "mask");
  const ops::Conv2d g = geometry(call, 3);
  Output y = call.output(shape::conv2d(x, w, mask.get(), g));
  ops::conv2d_forward(call.stream(), x, w, mask, g, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value conv2d_backward_data(Call& call) {
  const Tensor& dy = call.tensor(0, "dy");
  const Tensor& w = call.tensor(1, "w");
  const ops::MaskRef mask = call.optional_mask(2, "mask");
  const std::int64_t height = call.integer(3, "h", 1, largest_extent);
  const std::int64_t width = call.integer(4, "w_", 1, largest_extent);
  const ops::Conv2d g = geometry(call, 5);
  const Tensor into = call.optional_tensor(9, "into");
  const shape::Form form = shape::conv2d_backward_data(dy, w, mask.get(), height, width, g, into);
  if (into) {
    ops::conv2d_backward_data(call.stream(), dy, w, mask, g, true, into);
    return call.argument(9);
  }
  Output dx = call.output(form);
  ops::conv2d_backward_data(call.stream(), dy, w, mask, g, false, dx.tensor);
  return call.handle(std::move(dx));
}

Napi::Value conv2d_backward_weight(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const Tensor& dy = call.tensor(1, "dy");
  const Tensor& dw = call.tensor(2, "dw");
  const ops::MaskRef mask = call.optional_mask(3, "mask");
  const ops::Conv2d g = geometry(call, 4);
  const ops::GradientAt at = gradient_at(call, 8);
  const bool accumulate = call.boolean(9, "accumulate");
  shape::conv2d_backward_weight(x, dy, dw, mask.get(), g);
  ops::conv2d_backward_weight(call.stream(), x, dy, mask, g, at, accumulate, dw);
  return call.undefined();
}

Napi::Value linear(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const Tensor& w = call.tensor(1, "w");
  const ops::MaskRef mask = call.optional_mask(2, "mask");
  const Tensor bias = call.optional_tensor(3, "bias");
  Output y = call.output(shape::linear(x, w, mask.get(), bias));
  ops::linear_forward(call.stream(), x, w, mask, bias, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value linear_backward_data(Call& call) {
  const Tensor& dy = call.tensor(0, "dy");
  const Tensor& w = call.tensor(1, "w");
  const ops::MaskRef mask = call.optional_mask(2, "mask");
  const Tensor into = call.optional_tensor(3, "into");
  const shape::Form form = shape::linear_backward_data(dy, w, mask.get(), into);
  if (into) {
    ops::linear_backward_data(call.stream(), dy, w, mask, true, into);
    return call.argument(3);
  }
  Output dx = call.output(form);
  ops::linear_backward_data(call.stream(), dy, w, mask, false, dx.tensor);
  return call.handle(std::move(dx));
}

Napi::Value linear_backward_weight(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const Tensor& dy = call.tensor(1, "dy");
  const Tensor& dw = call.tensor(2, "dw");
  const ops::MaskRef mask = call.optional_mask(3, "mask");
  const ops::GradientAt at = gradient_at(call, 4);
  const bool accumulate = call.boolean(5, "accumulate");
  shape::linear_backward_weight(x, dy, dw, mask.get());
  ops::linear_backward_weight(call.stream(), x, dy, mask, at, accumulate, dw);
  return call.undefined();
}

Napi::Value linear_backward_bias(Call& call) {
  const Tensor& dy = call.tensor(0, "dy");
  const Tensor& db = call.tensor(1, "db");
  const bool accumulate = call.boolean(2, "accumulate");
  shape::linear_backward_bias(dy, db);
  ops::linear_backward_bias(call.stream(), dy, accumulate, db);
  return call.undefined();
}

constexpr Method methods[] = {
    {"conv2d", conv2d},
    {"conv2dBackwardData", conv2d_backward_data},
    {"conv2dBackwardWeight", conv2d_backward_weight},
    {"linear", linear},
    {"linearBackwardData", linear_backward_data},
    {"linearBackwardWeight", linear_backward_weight},
    {"linearBackwardBias", linear_backward_bias},
};

}  // namespace

Methods conv_methods() { return methods; }

}  // namespace s2sam::addon
