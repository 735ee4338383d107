#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

Napi::Value random_uniform(Call& call) {
  const Tensor& y = call.tensor(0, "y");
  const std::uint32_t key0 = call.word(1, "key0"), key1 = call.word(2, "key1");
  const float low = call.real(3, "lo"), high = call.real(4, "hi");
  if (low > high) call.fail(Code::argument, "lo must not be more than hi");
  shape::random(call.op(), y);
  ops::random_uniform(call.stream(), key0, key1, low, high, y);
  return call.undefined();
}

Napi::Value random_normal(Call& call) {
  const Tensor& y = call.tensor(0, "y");
  const std::uint32_t key0 = call.word(1, "key0"), key1 = call.word(2, "key1");
  const float mean = call.real(3, "mean"), std = call.real(4, "std");
  if (std < 0) call.fail(Code::argument, "std must not be negative");
  shape::random(call.op(), y);
  ops::random_normal(call.stream(), key0, key1, mean, std, y);
  return call.undefined();
}

Napi::Value dropout(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const Tensor& clock = call.tensor(1, "clock");
  const float p = call.real(2, "p");
  const std::uint32_t key0 = call.word(3, "key0"), key1 = call.word(4, "key1");
  if (!(p >= 0 && p < 1)) call.fail(Code::argument, "p must be at least 0 and less than 1");
  Output y = call.output(shape::dropout(x, clock));
  ops::dropout(call.stream(), x, clock, p, key0, key1, y.tensor);
  return call.handle(std::move(y));
}

constexpr Method methods[] = {
    {"randomUniform", random_uniform}, {"randomNormal", random_normal}, {"dropout", dropout}};

}  // namespace

Methods random_methods() { return methods; }

}  // namespace s2sam::addon
