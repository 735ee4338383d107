#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/check_indices.hpp"
#include "cpu/chunks.hpp"
#include "cpu/layout.hpp"
#include "cpu/optimizer/arena.kernels.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

/// The weight decay of every block, in scratch memory.
const float* decay_of_blocks(Context& context, const Arena& arena) {
  check_indices("optimizerStep", "segments", arena.segments, arena.master.shape.count() + 1);
  const std::int64_t blocks = arena.master.shape.count() / arena_block;
  auto* decay = static_cast<float*>(context.scratch(static_cast<std::size_t>(blocks) * sizeof(float)));
  std::fill_n(decay, blocks, 0.0F);
  const auto* segment = arena.segments.as<const std::int32_t>();
  for (std::int64_t s = 0; s < arena.segments.shape[0]; ++s) {
    const std::int64_t begin = segment[2 * s] / arena_block;
    const std::int64_t end = (segment[2 * s + 1] + arena_block - 1) / arena_block;
    if (begin < end) std::fill(decay + begin, decay + end, arena.decay.as<const float>()[s]);
  }
  return decay;
}

/// Calls body(run) for chunks that together cover the arena. `decay` may be null where it is not needed.
template <class Body>
void for_each_run(Context& context, const Arena& arena, const float* decay, const Body& body) {
  parallel_chunks(context, arena.master.shape.count(), [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
    body(ArenaRun{
        arena.master.as<float>() + begin,
        arena.momentum ? arena.momentum.as<float>() + begin : nullptr,
        arena.gradient.as<const float>() + begin,
        arena.working.as<float>() + begin,
        arena.bits ? arena.bits.as<const std::uint32_t>() + begin / 32 : nullptr,
        decay ? decay + begin / arena_block : nullptr,
        (end - begin) / arena_block,
    });
  });
}

void copy_master(Context& context, const Arena& arena) {
  if (arena.working.data == arena.master.data) return;
  for_each_run(context, arena, nullptr, [](const ArenaRun& run) {
    std::memcpy(run.working, run.master, static_cast<std::size_t>(run.blocks * arena_block) * sizeof(float));
  });
}

/// Whether to perturb; counts a perturbation that a norm forbids.
bool may_ascend(float rho, float* stats) {
  if (rho == 0.0F) return false;
  if (usable_norm(stats[stat_perturb_norm])) return true;
  stats[stat_skipped_perturbations] += 1.0F;
  return false;
}

Working working_mode(const Arena& arena, bool ascends) {
  if (ascends) return Working::ascended;
  return arena.working.data == arena.master.data ? Working::untouched : Working::master;
}

}  // namespace

void gradient_norm(Stream& stream, Tensor gradient, Tensor bits, Tensor weights, int slot, Tensor stats) {
  stream.submit("gradientNorm", [=](Context& context) {
    context.count({.bytes = bytes_of(gradient, bits, weights)});
    const std::ptrdiff_t count = gradient.shape.count();
    const auto sum_squares =
        arena_kernels_for(context.isa()).sum_squares[static_cast<bool>(bits)][static_cast<bool>(weights)];
    const std::ptrdiff_t chunks = chunk_count(count);
    auto* partial = static_cast<double*>(context.scratch(static_cast<std::size_t>(chunks) * sizeof(double)));
    parallel_chunks(context, count, [&](std::ptrdiff_t chunk, std::ptrdiff_t begin, std::ptrdiff_t end) {
      partial[chunk] = sum_squares(gradient.as<const float>() + begin,
                                   bits ? bits.as<const std::uint32_t>() + begin / 32 : nullptr,
                                   weights ? weights.as<const float>() + begin : nullptr, end - begin);
    });
    double total = 0.0;
    for (std::ptrdiff_t i = 0; i < chunks; ++i) total += partial[i];
    auto* to = stats.as<float>();
    to[slot] = static_cast<float>(std::sqrt(total) * unscale(to[stat_loss_scale]));
  });
}

void optimizer_step(Stream& stream, Arena arena, Step options, Tensor hyper_tensor, Tensor stats_tensor) {
  stream.submit("optimizerStep", [=](Context& context) {
    const double separate = arena.working.data == arena.master.data ? 0.0 : bytes_of(arena.working);
    context.count({.bytes = bytes_of(arena.gradient, arena.bits, arena.master, arena.master, arena.momentum,
                                     arena.momentum) + separate});
    const auto* hyper = hyper_tensor.as<const float>();
    auto* stats = stats_tensor.as<float>();
    const bool ascends = options.perturb && may_ascend(hyper[hyper_rho], stats);
    if (!finite_norm(stats[stat_grad_norm])) {
      stats[stat_skipped_steps] += 1.0F;
      return copy_master(context, arena);
    }
    const float unscaled = unscale(stats[stat_loss_scale]);
    const float clip = clip_scale(hyper[hyper_max_norm], stats[stat_grad_norm]);
    const Sgd sgd{hyper[hyper_lr], hyper[hyper_momentum], clip * unscaled};
    const float ascent = ascends ? ascent_scale(hyper[hyper_rho], stats[stat_perturb_norm]) * unscaled : 0.0F;
    const auto mode = static_cast<int>(working_mode(arena, ascends));
    const auto step = arena_kernels_for(context.isa()).step[options.nesterov][options.masked][mode];
    for_each_run(context, arena, decay_of_blocks(context, arena), [&](const ArenaRun& run) { step(run, sgd, ascent); });
  });
}

void perturb(Stream& stream, Arena arena, bool masked, bool adaptive, Tensor hyper_tensor, Tensor stats_tensor) {
  stream.submit("perturb", [=](Context& context) {
    const float rho = hyper_tensor.as<const float>()[hyper_rho];
    auto* stats = stats_tensor.as<float>();
    if (!may_ascend(rho, stats)) return copy_master(context, arena);
    const float ascent = ascent_scale(rho, stats[stat_perturb_norm]) * unscale(stats[stat_loss_scale]);
    const auto run_perturb = arena_kernels_for(context.isa()).perturb[masked][adaptive];
    for_each_run(context, arena, nullptr, [&](const ArenaRun& run) { run_perturb(run, ascent); });
  });
}

void update_loss_scale(Stream& stream, int interval, Tensor stats_tensor) {
  stream.submit("updateLossScale", [=](Context&) {
    auto* stats = stats_tensor.as<float>();
    const LossScale next =
        next_loss_scale({stats[stat_loss_scale], stats[stat_good_steps]}, stats[stat_grad_norm], interval);
    stats[stat_loss_scale] = next.scale;
    stats[stat_good_steps] = next.good_steps;
  });
}

}  // namespace s2sam::ops
