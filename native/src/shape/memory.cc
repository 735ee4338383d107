#include <cmath>
#include <limits>

#include "s2sam/shape.hpp"
#include "shape/check.hpp"

namespace s2sam::shape {

namespace {

/// Smallest and largest value an integer dtype holds.
std::pair<double, double> range_of(DType dtype) {
  switch (dtype) {
    case DType::i32: return {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
    case DType::u32: return {0, std::numeric_limits<std::uint32_t>::max()};
    default: return {0, std::numeric_limits<std::uint8_t>::max()};
  }
}

}  // namespace

Form create(DType dtype, const Shape& shape, bool as_activation) {
  const Check check("create");
  checked("create", shape);
  check.stored(dtype);
  if (!as_activation) return plain(shape, dtype);
  if (shape.rank() != 4) check.fail(Code::shape, "shape " + shape.string() + " of an activation must be [N, C, H, W]");
  if (!is_float(dtype)) check.fail(Code::dtype, std::string("an activation is f32, f16 or bf16, not ") + name_of(dtype));
  return activation(shape, 1, dtype);
}

Form view(const Tensor& x, std::int64_t offset, const Shape& shape) {
  const Check check("view");
  check.plain({"tensor", x});
  checked("view", shape);
  if (offset > x.shape.count() - shape.count()) {
    check.fail(Code::shape, "offset " + std::to_string(offset) + " and shape " + shape.string() + " (" +
                                std::to_string(shape.count()) + " elements) reach past the " +
                                std::to_string(x.shape.count()) + " elements of " + describe({"tensor", x}));
  }
  return {shape, x.dtype, Format::plain, 0, static_cast<char*>(x.data) + offset * static_cast<std::int64_t>(size_of(x.dtype))};
}

void fill(const Tensor& y, double value) {
  if (is_float(y.dtype)) return;
  const auto [low, high] = range_of(y.dtype);
  if (!(value >= low && value <= high && value == std::floor(value))) {
    Check("fill").fail(Code::argument, "value " + std::to_string(value) + " is no " + name_of(y.dtype));
  }
}

void copy(const Tensor& x, const Tensor& y) {
  const Check check("copy");
  check.same({"from", x}, {"to", y});
  if (is_float(x.dtype) && is_float(y.dtype)) return;
  check.dtype({"to", y}, x.dtype);
}

Form cast(const Tensor& x, DType dtype) {
  const Check check("cast");
  check.floating({"x", x});
  const Form y = x.format == Format::activation ? activation(x.shape, x.border, dtype) : plain(x.shape, dtype);
  check.floating({"y", y});
  check.stored(dtype);
  return y;
}

Form gather(const Tensor& x, const Tensor& indices) {
  const Check check("gather");
  check.plain({"x", x});
  if (x.shape.rank() < 1) check.fail(Code::shape, "x is a scalar; it must have a first axis to gather from");
  check.plain({"indices", indices}, DType::i32, 1);
  Shape shape{indices.shape[0]};
  for (int axis = 1; axis < x.shape.rank(); ++axis) shape.push(x.shape[axis]);
  return plain(shape, x.dtype);
}

Form flatten(const Tensor& x) {
  Check("flatten").image({"x", x});
  return plain({x.shape[0], x.shape[1] * x.shape[2] * x.shape[3]}, x.dtype);
}

Form unflatten(const Tensor& x, std::int64_t c, std::int64_t h, std::int64_t w) {
  const Check check("unflatten");
  check.matrix({"x", x});
  const Shape shape{x.shape[0], c, h, w};
  checked("unflatten", shape);
  if (c * h * w != x.shape[1]) {
    check.fail(Code::shape, describe({"x", x}) + " has " + std::to_string(x.shape[1]) + " values per sample, but " +
                                shape.string() + " needs " + std::to_string(c * h * w));
  }
  return activation(shape, 1, x.dtype);
}

}  // namespace s2sam::shape
