#include "s2sam/shape.hpp"
#include "shape/check.hpp"

namespace s2sam::shape {

namespace {

std::int64_t pooled_extent(const Check& check, const char* axis, std::int64_t size, int kernel, int stride, int pad) {
  if (2 * pad > kernel) {
    check.fail(Code::argument, std::string("padding ") + std::to_string(pad) + " is more than half of the window's " + axis +
                                   " " + std::to_string(kernel));
  }
  const std::int64_t room = size + 2 * std::int64_t{pad} - kernel;
  if (room < 0) {
    check.fail(Code::shape, std::string("the window's ") + axis + " " + std::to_string(kernel) +
                                " is larger than the image's " + std::to_string(size) + " with padding " +
                                std::to_string(pad) + " on both sides");
  }
  return room / stride + 1;
}

Shape pooled(const Check& check, const Shape& x, const ops::Window& window) {
  return {x[0], x[1], pooled_extent(check, "height", x[2], window.kernel_h, window.stride_h, window.pad_h),
          pooled_extent(check, "width", x[3], window.kernel_w, window.stride_w, window.pad_w)};
}

/// dx for dy, whose spatial size must be what pooling (h, w) gives.
Form unpooled(const Check& check, const Tensor& dy, std::int64_t h, std::int64_t w, const ops::Window& window) {
  check.image({"dy", dy});
  const Shape x{dy.shape[0], dy.shape[1], h, w};
  const Shape y = pooled(check, x, window);
  if (!(dy.shape == y)) {
    check.fail(Code::shape, describe({"dy", dy}) + " must be " + y.string() + ", the output for images " + x.string());
  }
  return activation(x, 1, dy.dtype);
}

Form argmax_of(const Shape& y) { return plain({(y[0] + 15) / 16 * 16, y[1], y[2], y[3]}, DType::u8); }

void taps(const Check& check, const ops::Window& window) {
  if (std::int64_t{window.kernel_h} * window.kernel_w > 256) {
    check.fail(Code::argument, "a window of " + std::to_string(window.kernel_h) + " x " + std::to_string(window.kernel_w) +
                                   " has more than 256 positions");
  }
}

}  // namespace

Pair max_pool(const Tensor& x, const ops::Window& window) {
  const Check check("maxPool");
  check.image({"x", x});
  taps(check, window);
  const Shape y = pooled(check, x.shape, window);
  return {activation(y, 1, x.dtype), argmax_of(y)};
}

Form max_pool_backward(const Tensor& dy, const Tensor& argmax, std::int64_t h, std::int64_t w, const ops::Window& window) {
  const Check check("maxPoolBackward");
  taps(check, window);
  const Form dx = unpooled(check, dy, h, w, window);
  check.exactly({"argmax", argmax}, DType::u8, argmax_of(dy.shape).shape,
                "maxPool makes it so for " + describe({"dy", dy}));
  return dx;
}

Form avg_pool(const Tensor& x, const ops::Window& window) {
  const Check check("avgPool");
  check.image({"x", x});
  return activation(pooled(check, x.shape, window), 1, x.dtype);
}

Form avg_pool_backward(const Tensor& dy, std::int64_t h, std::int64_t w, const ops::Window& window) {
  return unpooled(Check("avgPoolBackward"), dy, h, w, window);
}

Form global_avg_pool(const Tensor& x) {
  Check("globalAvgPool").image({"x", x});
  return plain({x.shape[0], x.shape[1]}, x.dtype);
}

Form global_avg_pool_backward(const Tensor& dy, std::int64_t h, std::int64_t w) {
  Check("globalAvgPoolBackward").matrix({"dy", dy});
  return activation({dy.shape[0], dy.shape[1], h, w}, 1, dy.dtype);
}

}  // namespace s2sam::shape
