#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

/// Argument 0 as one of the op codes 0 .. last.
template <class Op>
Op op_code(const Call& call, Op last) {
  return static_cast<Op>(call.small(0, "op", 0, static_cast<int>(last)));
}

Napi::Value binary(Call& call) {
  const auto op = op_code(call, ops::Binary::maximum);
  const Tensor& a = call.tensor(1, "a");
  const Tensor& b = call.tensor(2, "b");
  Output y = call.output(shape::binary(a, b));
  ops::binary(call.stream(), op, a, b, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value unary(Call& call) {
  const auto op = op_code(call, ops::Unary::square);
  const Tensor& x = call.tensor(1, "x");
  Output y = call.output(shape::unary(call.op(), x));
  ops::unary(call.stream(), op, x, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value affine(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const float scale = call.real(1, "scale"), shift = call.real(2, "shift");
  Output y = call.output(shape::unary(call.op(), x));
  ops::affine(call.stream(), x, scale, shift, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value add_into(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const float scale = call.real(1, "scale");
  const Tensor& y = call.tensor(2, "y");
  shape::add_into(x, y);
  ops::add_into(call.stream(), x, scale, y);
  return call.undefined();
}

Napi::Value relu_backward(Call& call) {
  const Tensor& dy = call.tensor(0, "dy");
  const Tensor& y = call.tensor(1, "y");
  Output dx = call.output(shape::relu_backward(dy, y));
  ops::relu_backward(call.stream(), dy, y, dx.tensor);
  return call.handle(std::move(dx));
}

Napi::Value scale_by(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const Tensor& scalar = call.tensor(1, "scalar");
  Output y = call.output(shape::scale_by(x, scalar));
  ops::scale_by(call.stream(), x, scalar, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value lerp_into(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const Tensor& weight = call.tensor(1, "weight");
  const Tensor& y = call.tensor(2, "y");
  shape::lerp_into(x, weight, y);
  ops::lerp_into(call.stream(), x, weight, y);
  return call.undefined();
}

Napi::Value expand(Call& call) {
  const Tensor& scalar = call.tensor(0, "scalar");
  const float factor = call.real(1, "factor");
  Output y = call.output(shape::expand(scalar, call.tensor(2, "like")));
  ops::expand(call.stream(), scalar, factor, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value reduce(Call& call) {
  const auto op = op_code(call, ops::Reduce::count_nonzero);
  const Tensor& x = call.tensor(1, "x");
  Output y = call.output(shape::reduce(x));
  ops::reduce(call.stream(), op, x, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value reduce_rows(Call& call) {
  const auto op = op_code(call, ops::Reduce::count_nonzero);
  const Tensor& x = call.tensor(1, "x");
  Output y = call.output(shape::reduce_rows(x));
  ops::reduce_rows(call.stream(), op, x, y.tensor);
  return call.handle(std::move(y));
}

constexpr Method methods[] = {
    {"binary", binary},          {"unary", unary},      {"affine", affine}, {"addInto", add_into},
    {"reluBackward", relu_backward}, {"scaleBy", scale_by}, {"expand", expand}, {"reduce", reduce},
    {"reduceRows", reduce_rows}, {"lerpInto", lerp_into},
};

}  // namespace

Methods elementwise_methods() { return methods; }

}  // namespace s2sam::addon
