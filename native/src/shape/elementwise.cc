#include "s2sam/shape.hpp"
#include "shape/check.hpp"

namespace s2sam::shape {

namespace {

/// The form of a result that looks like x.
Form like(const Tensor& x) {
  return x.format == Format::activation ? activation(x.shape, x.border, x.dtype) : plain(x.shape, x.dtype);
}

}  // namespace

Form binary(const Tensor& a, const Tensor& b) {
  Check("binary").alike({"a", a}, {"b", b});
  return like(a);
}

Form unary(const char* op, const Tensor& x) {
  Check(op).floating({"x", x});
  return like(x);
}

void add_into(const Tensor& x, const Tensor& y) { Check("addInto").alike({"x", x}, {"y", y}); }

Form relu_backward(const Tensor& dy, const Tensor& y) {
  Check("reluBackward").alike({"dy", dy}, {"y", y});
  return like(dy);
}

Form scale_by(const Tensor& x, const Tensor& scalar) {
  const Check check("scaleBy");
  check.floating({"x", x});
  check.scalar({"scalar", scalar}, DType::f32);
  return like(x);
}

void lerp_into(const Tensor& x, const Tensor& weight, const Tensor& y) {
  const Check check("lerpInto");
  check.alike({"x", x}, {"y", y});
  check.scalar({"weight", weight}, DType::f32);
}

Form expand(const Tensor& scalar, const Tensor& model) {
  const Check check("expand");
  check.scalar({"scalar", scalar}, DType::f32);
  check.floating({"like", model});
  return like(model);
}

Form reduce(const Tensor& x) {
  Check("reduce").floating({"x", x});
  return plain({1});
}

Form reduce_rows(const Tensor& x) {
  const Check check("reduceRows");
  check.plain({"x", x}, DType::f32, -1);
  if (x.shape.rank() == 0) check.fail(Code::shape, "x is a scalar, but must have rows; its rank must be 1 to 4");
  return plain({x.shape[0]});
}

void random(const char* op, const Tensor& y) { Check(op).plain({"y", y}, DType::f32, -1); }

Form dropout(const Tensor& x, const Tensor& clock) {
  const Check check("dropout");
  check.plain({"x", x});
  check.floating({"x", x});
  check.scalar({"clock", clock}, DType::i32);
  return like(x);
}

}  // namespace s2sam::shape
