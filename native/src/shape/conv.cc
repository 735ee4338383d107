#include "s2sam/shape.hpp"
#include "shape/check.hpp"

namespace s2sam::shape {

namespace {

/// Weights of this rank, f32 or of the type of the values they meet.
void weights(const Check& check, const Tensor& w, int rank, Operand values) {
  check.plain({"w", w}, w.dtype == values.tensor.dtype ? w.dtype : DType::f32, rank);
}

void weight_mask(const Check& check, const Tensor& w, const Mask* mask) {
  if (mask != nullptr && !(mask->shape == w.shape)) {
    check.fail(Code::shape, "mask " + mask->shape.string() + " must have the shape of " + describe({"w", w}));
  }
}

/// How often the kernel fits along one axis; 0 when it is larger than the padded image.
std::int64_t window_count(std::int64_t size, std::int64_t kernel, int stride, int pad) {
  const std::int64_t room = size + 2 * std::int64_t{pad} - kernel;
  return room < 0 ? 0 : room / stride + 1;
}

/// The output's shape for images of shape x; also that w, of rank 4, fits it.
Shape convolved(const Check& check, const char* x_name, const Shape& x, const Tensor& w, const Mask* mask,
                const ops::Conv2d& geometry) {
  weight_mask(check, w, mask);
  if (x[1] != w.shape[1]) {
    check.fail(Code::shape, std::string(x_name) + " " + x.string() + " has " + std::to_string(x[1]) + " channels but " +
                                describe({"w", w}) + " expects " + std::to_string(w.shape[1]));
  }
  const std::int64_t height = window_count(x[2], w.shape[2], geometry.stride_h, geometry.pad_h);
  const std::int64_t width = window_count(x[3], w.shape[3], geometry.stride_w, geometry.pad_w);
  if (height == 0 || width == 0) {
    check.fail(Code::shape, "the kernel of " + describe({"w", w}) + " is larger than the images of " + std::string(x_name) + " " +
                                x.string() + " with padding " + std::to_string(geometry.pad_h) + " and " +
                                std::to_string(geometry.pad_w) + "; pad more");
  }
  return {x[0], w.shape[0], height, width};
}

void output_shape(const Check& check, const Tensor& dy, const Shape& y) {
  check.image({"dy", dy});
  if (!(dy.shape == y)) check.fail(Code::shape, describe({"dy", dy}) + " must be " + y.string() + ", the output's shape");
}


}  // namespace

Form conv2d(const Tensor& x, const Tensor& w, const Mask* mask, const ops::Conv2d& geometry) {
  const Check check("conv2d");
  check.image({"x", x});
  weights(check, w, 4, {"x", x});
  return activation(convolved(check, "x", x.shape, w, mask, geometry), 0, x.dtype);
}

Form conv2d_backward_data(const Tensor& dy, const Tensor& w, const Mask* mask, std::int64_t h, std::int64_t width,
                          const ops::Conv2d& geometry, const Tensor& into) {
  const Check check("conv2dBackwardData");
  check.image({"dy", dy});
  weights(check, w, 4, {"dy", dy});
  const Shape x{dy.shape[0], w.shape[1], h, width};
  output_shape(check, dy, convolved(check, "dx", x, w, mask, geometry));
  if (!into) return activation(x, 0, dy.dtype);
  check.image({"into", into});
  check.same_dtype({"into", into}, {"dy", dy});
  if (!(into.shape == x)) check.fail(Code::shape, describe({"into", into}) + " must be " + x.string() + ", the shape of dx");
  return into;
}

void conv2d_backward_weight(const Tensor& x, const Tensor& dy, const Tensor& dw, const Mask* mask,
                            const ops::Conv2d& geometry) {
  const Check check("conv2dBackwardWeight");
  check.image({"x", x});
  check.plain({"dw", dw}, DType::f32, 4);
  output_shape(check, dy, convolved(check, "x", x.shape, dw, mask, geometry));
  check.same_dtype({"dy", dy}, {"x", x});
}

Form linear(const Tensor& x, const Tensor& w, const Mask* mask, const Tensor& bias) {
  const Check check("linear");
  check.matrix({"x", x});
  weights(check, w, 2, {"x", x});
  weight_mask(check, w, mask);
  if (x.shape[1] != w.shape[1]) {
    check.fail(Code::shape, describe({"x", x}) + " has " + std::to_string(x.shape[1]) + " features but " +
                                describe({"w", w}) + " expects " + std::to_string(w.shape[1]));
  }
  if (bias) check.exactly({"bias", bias}, DType::f32, {w.shape[0]}, describe({"w", w}) + " has that many outputs");
  return plain({x.shape[0], w.shape[0]}, x.dtype);
}

Form linear_backward_data(const Tensor& dy, const Tensor& w, const Mask* mask, const Tensor& into) {
  const Check check("linearBackwardData");
  check.matrix({"dy", dy});
  weights(check, w, 2, {"dy", dy});
  weight_mask(check, w, mask);
  if (dy.shape[1] != w.shape[0]) {
    check.fail(Code::shape, describe({"dy", dy}) + " has " + std::to_string(dy.shape[1]) + " columns but " +
                                describe({"w", w}) + " has " + std::to_string(w.shape[0]) + " outputs");
  }
  const Shape x{dy.shape[0], w.shape[1]};
  if (!into) return plain(x, dy.dtype);
  check.exactly({"into", into}, dy.dtype, x, "that is the shape of dx");
  return into;
}

void linear_backward_weight(const Tensor& x, const Tensor& dy, const Tensor& dw, const Mask* mask) {
  const Check check("linearBackwardWeight");
  check.matrix({"x", x});
  check.matrix({"dy", dy});
  check.same_dtype({"dy", dy}, {"x", x});
  if (x.shape[0] != dy.shape[0]) {
    check.fail(Code::shape, describe({"x", x}) + " and " + describe({"dy", dy}) + " must have the same batch size");
  }
  check.exactly({"dw", dw}, DType::f32, {dy.shape[1], x.shape[1]},
                "it is the gradient between " + describe({"x", x}) + " and " + describe({"dy", dy}));
  weight_mask(check, dw, mask);
}

void linear_backward_bias(const Tensor& dy, const Tensor& db) {
  const Check check("linearBackwardBias");
  check.matrix({"dy", dy});
  check.exactly({"db", db}, DType::f32, {dy.shape[1]}, describe({"dy", dy}) + " has that many columns");
}

}  // namespace s2sam::shape
