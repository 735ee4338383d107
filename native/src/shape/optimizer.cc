#include "s2sam/shape.hpp"
#include "shape/check.hpp"

namespace s2sam::shape {

namespace {

/// Rank 1 with a whole number of 128-element chunks; the size the other arrays must have.
std::int64_t flat(const Check& check, Operand x) {
  check.plain(x, DType::f32, 1);
  if (x.tensor.shape[0] % 128 != 0) check.fail(Code::shape, describe(x) + " must have a multiple of 128 elements");
  return x.tensor.shape[0];
}

void same_size(const Check& check, Operand x, Operand reference) {
  check.exactly(x, DType::f32, reference.tensor.shape, "it belongs to " + describe(reference));
}

void bit_words(const Check& check, const Tensor& bits, Operand reference) {
  check.exactly({"bits", bits}, DType::u32, {reference.tensor.shape[0] / 32}, "it has one bit per element of " + describe(reference));
}

void numbers(const Check& check, Operand x, int size) {
  check.exactly(x, DType::f32, {size}, "it has that many slots");
}

void compute_copy(const Check& check, const Tensor& compute, Operand master) {
  const Operand x{"compute", compute};
  if (!is_half(compute.dtype)) {
    check.fail(Code::dtype, describe(x) + " is " + name_of(compute.dtype) + ", but must be f16 or bf16");
  }
  check.exactly(x, compute.dtype, master.tensor.shape, "it belongs to " + describe(master));
}

/// What optimizer_step and perturb have in common.
void common(const Check& check, const ops::Arena& arena, const Tensor& hyper, const Tensor& stats) {
  const Operand master{"master", arena.master};
  flat(check, master);
  same_size(check, {"gradient", arena.gradient}, master);
  same_size(check, {"working", arena.working}, master);
  if (arena.compute) compute_copy(check, arena.compute, master);
  bit_words(check, arena.bits, master);
  numbers(check, {"hyper", hyper}, ops::hyper_size);
  numbers(check, {"stats", stats}, ops::stats_size);
}

}  // namespace

void gradient_norm(const Tensor& gradient, const Tensor& bits, const Tensor& weights, std::int64_t slot,
                   const Tensor& stats) {
  const Check check("gradientNorm");
  const Operand reference{"gradient", gradient};
  flat(check, reference);
  if (bits) bit_words(check, bits, reference);
  if (weights) same_size(check, {"weights", weights}, reference);
  numbers(check, {"stats", stats}, ops::stats_size);
  if (slot >= ops::stats_size) {
    check.fail(Code::argument, "slot " + std::to_string(slot) + " must be from 0 to " + std::to_string(ops::stats_size - 1));
  }
}

void optimizer_step(const ops::Arena& arena, const Tensor& hyper, const Tensor& stats) {
  const Check check("optimizerStep");
  common(check, arena, hyper, stats);
  same_size(check, {"momentum", arena.momentum}, {"master", arena.master});
  check.plain({"segments", arena.segments}, DType::i32, 2);
  if (arena.segments.shape[1] != 2) {
    check.fail(Code::shape, describe({"segments", arena.segments}) + " must have two columns, begin and end");
  }
  check.exactly({"decay", arena.decay}, DType::f32, {arena.segments.shape[0]}, "there are that many segments");
}

void perturb(const ops::Arena& arena, const Tensor& hyper, const Tensor& stats) {
  common(Check("perturb"), arena, hyper, stats);
}

void update_loss_scale(const Tensor& stats) { numbers(Check("updateLossScale"), {"stats", stats}, ops::stats_size); }

}  // namespace s2sam::shape
