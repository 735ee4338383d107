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
  arena.compute = call.optional_tensor(4, "compute");
  arena.bits = call.tensor(5, "bits");
  arena.segments = call.tensor(6, "segments");
  arena.decay = call.tensor(7, "decay");
  const Tensor& hyper = call.tensor(8, "hyper");
  const Tensor& stats = call.tensor(9, "stats");
  const ops::Step options{call.boolean(10, "nesterov"), call.boolean(11, "masked"), call.boolean(12, "perturb")};
  shape::optimizer_step(arena, hyper, stats);
  ops::optimizer_step(call.stream(), arena, options, hyper, stats);
  return call.undefined();
}

Napi::Value perturb(Call& call) {
  ops::Arena arena;
  arena.master = call.tensor(0, "master");
  arena.gradient = call.tensor(1, "gradient");
  arena.working = call.tensor(2, "working");
  arena.compute = call.optional_tensor(3, "compute");
  arena.bits = call.tensor(4, "bits");
  const Tensor& hyper = call.tensor(5, "hyper");
  const Tensor& stats = call.tensor(6, "stats");
  const bool masked = call.boolean(7, "masked"), adaptive = call.boolean(8, "adaptive");
  shape::perturb(arena, hyper, stats);
  ops::perturb(call.stream(), arena, masked, adaptive, hyper, stats);
  return call.undefined();
}

Napi::Value update_loss_scale(Call& call) {
  const Tensor& stats = call.tensor(0, "stats");
  const int interval = call.small(1, "interval", 1);
  shape::update_loss_scale(stats);
  ops::update_loss_scale(call.stream(), interval, stats);
  return call.undefined();
}

constexpr Method methods[] = {
    {"gradientNorm", gradient_norm},
    {"optimizerStep", optimizer_step},
    {"perturb", perturb},
    {"updateLossScale", update_loss_scale},
};

}  // namespace

Methods optimizer_methods() { return methods; }

}  // namespace s2sam::addon
