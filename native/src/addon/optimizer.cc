#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

Napi::Value gradient_norm(Call& call) {
  const Tensor& gradient = call.tensor(0, "gradient");
  const Tensor bits = call.optional_tensor(1, "bits");
  const Tensor weights = call.optional_tensor(2, "weights");
  const int slot = call.small(3, "slot", 0);
  const Tensor& stats = call.tensor(4, "stats");
  shape::gradient_norm(gradient, bits, weights, slot, stats);
  ops::gradient_norm(call.stream(), gradient, bits, weights, slot, stats);
  return call.undefined();
}

Napi::Value optimizer_step(Call& call) {
  ops::Arena arena;
  arena.master = call.tensor(0, "master");
  arena.momentum = call.tensor(1, "momentum");
  arena.gradient = call.tensor(2, "gradient");
  arena.working = call.tensor(3, "working");
  arena.bits = call.tensor(4, "bits");
  arena.segments = call.tensor(5, "segments");
  arena.decay = call.tensor(6, "decay");
  const Tensor& hyper = call.tensor(7, "hyper");
  const Tensor& stats = call.tensor(8, "stats");
  const ops::Step options{call.boolean(9, "nesterov"), call.boolean(10, "masked"), call.boolean(11, "perturb")};
  shape::optimizer_step(arena, hyper, stats);
  ops::optimizer_step(call.stream(), arena, options, hyper, stats);
  return call.undefined();
}

Napi::Value perturb(Call& call) {
  ops::Arena arena;
  arena.master = call.tensor(0, "master");
  arena.gradient = call.tensor(1, "gradient");
  arena.working = call.tensor(2, "working");
  arena.bits = call.tensor(3, "bits");
  const Tensor& hyper = call.tensor(4, "hyper");
  const Tensor& stats = call.tensor(5, "stats");
  const bool masked = call.boolean(6, "masked"), adaptive = call.boolean(7, "adaptive");
  shape::perturb(arena, hyper, stats);
  ops::perturb(call.stream(), arena, masked, adaptive, hyper, stats);
  return call.undefined();
}

constexpr Method methods[] = {
    {"gradientNorm", gradient_norm},
    {"optimizerStep", optimizer_step},
    {"perturb", perturb},
};

}  // namespace

Methods optimizer_methods() { return methods; }

}  // namespace s2sam::addon
