#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

constexpr std::int64_t largest_extent = std::numeric_limits<std::int32_t>::max();

/// kH, kW, strideH, strideW, padH, padW from argument i on.
ops::Window window(const Call& call, int i) {
  return {call.small(i, "kH", 1),          call.small(i + 1, "kW", 1),   call.small(i + 2, "strideH", 1),
          call.small(i + 3, "strideW", 1), call.small(i + 4, "padH", 0), call.small(i + 5, "padW", 0)};
}

std::int64_t extent(const Call& call, int i, const char* name) { return call.integer(i, name, 1, largest_extent); }

Napi::Value max_pool(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const ops::Window w = window(call, 1);
  const auto forms = shape::max_pool(x, w);
  Output y = call.output(forms.first), argmax = call.output(forms.second);
  ops::max_pool_forward(call.stream(), x, w, y.tensor, argmax.tensor);
  return call.pair(std::move(y), std::move(argmax));
}

Napi::Value max_pool_backward(Call& call) {
  const Tensor& dy = call.tensor(0, "dy");
  const Tensor& argmax = call.tensor(1, "argmax");
  const ops::Window w = window(call, 4);
  Output dx = call.output(shape::max_pool_backward(dy, argmax, extent(call, 2, "h"), extent(call, 3, "w"), w));
  ops::max_pool_backward(call.stream(), dy, argmax, w, dx.tensor);
  return call.handle(std::move(dx));
}

Napi::Value avg_pool(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const ops::Window w = window(call, 1);
  Output y = call.output(shape::avg_pool(x, w));
  ops::avg_pool_forward(call.stream(), x, w, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value avg_pool_backward(Call& call) {
  const Tensor& dy = call.tensor(0, "dy");
  const ops::Window w = window(call, 3);
  Output dx = call.output(shape::avg_pool_backward(dy, extent(call, 1, "h"), extent(call, 2, "w"), w));
  ops::avg_pool_backward(call.stream(), dy, w, dx.tensor);
  return call.handle(std::move(dx));
}

Napi::Value global_avg_pool(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  Output y = call.output(shape::global_avg_pool(x));
  ops::global_avg_pool_forward(call.stream(), x, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value global_avg_pool_backward(Call& call) {
  const Tensor& dy = call.tensor(0, "dy");
  Output dx = call.output(shape::global_avg_pool_backward(dy, extent(call, 1, "h"), extent(call, 2, "w")));
  ops::global_avg_pool_backward(call.stream(), dy, dx.tensor);
  return call.handle(std::move(dx));
}

constexpr Method methods[] = {
    {"maxPool", max_pool},
    {"maxPoolBackward", max_pool_backward},
    {"avgPool", avg_pool},
    {"avgPoolBackward", avg_pool_backward},
    {"globalAvgPool", global_avg_pool},
    {"globalAvgPoolBackward", global_avg_pool_backward},
};

}  // namespace

Methods pool_methods() { return methods; }

}  // namespace s2sam::addon
