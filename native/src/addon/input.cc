#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

Napi::Value augment(Call& call) {
  constexpr int largest_pad = 1 << 14;
  const Tensor& images = call.tensor(0, "images");
  const Tensor& indices = call.tensor(1, "indices");
  const Tensor& clock = call.tensor(2, "clock");
  const Tensor& mean = call.tensor(3, "mean");
  const Tensor& std = call.tensor(4, "std");
  const ops::Augment options{call.small(5, "pad", 0, largest_pad), call.boolean(6, "flip"),
                             {call.word(7, "key0"), call.word(8, "key1")}};
  const Tensor mix = call.optional_tensor(10, "mix");
  Output y = call.output(shape::augment(images, indices, clock, mean, std, mix, call.dtype(9)));
  ops::augment(call.stream(), images, indices, clock, mean, std, options, mix, y.tensor);
  return call.handle(std::move(y));
}

constexpr Method methods[] = {{"augment", augment}};

}  // namespace

Methods input_methods() { return methods; }

}  // namespace s2sam::addon
