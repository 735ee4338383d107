// working = master + e, without a step. Bytes per parameter: 8 read (gradient, master), 1/8 (mask), 4 written
// (working), 2 more with a 16-bit copy.

#include "cuda/optimizer/arena.hpp"

namespace s2sam {

namespace {

struct PerturbArguments {
  const float* master;
  const float* gradient;
  const std::uint32_t* bits;
  const float* hyper;
  float* stats;
  std::int64_t count;
  bool masked, adaptive, aligned;
};

template <class Compute>
__global__ void perturb_kernel(PerturbArguments a, WorkingCopy<Compute> copy) {
  const Ascent ascent(a.hyper, a.stats);
  if (is_first_thread()) ascent.count_skipped(a.stats);
  each_item(a.count / 4, [&](std::int64_t four) {
    const std::int64_t i = four * 4;
    Four w = load_four(a.master + i, a.aligned);
    if (ascent.possible) {
      const Four g = load_four(a.gradient + i, a.aligned);
      const unsigned keep = a.masked ? keep_of_four(a.bits, i) : 0xFu;
      for (int k = 0; k < 4; ++k) {
        const float up = a.adaptive ? ascend_adaptive(ascent.scale, g.value[k], w.value[k])
                                    : ascend(ascent.scale, g.value[k], w.value[k]);
        w.value[k] = (keep >> k & 1u) != 0 ? up : 0.0F;
      }
    }
    copy.store(i, w);
  });
}

}  // namespace

namespace ops {

void perturb(Stream& stream, Arena arena, bool masked, bool adaptive, Tensor hyper, Tensor stats) {
  stream.submit("perturb", [&](Op& op) {
    op.count({.bytes = bytes_of(arena.gradient, arena.bits, arena.master, arena.working, arena.compute)});
    const std::int64_t count = arena.master.shape.count();
    const PerturbArguments arguments{arena.master.as<const float>(), arena.gradient.as<const float>(),
                                     arena.bits.as<const std::uint32_t>(), hyper.as<const float>(),
                                     stats.as<float>(), count,
                                     masked, adaptive,
                                     is_aligned(arena)};
    with_compute_type(arena, [&](auto type) {
      using Compute = decltype(type);
      WorkingCopy<Compute> copy = working_copy_of<Compute>(arena);
      copy.working = arena.working.as<float>();
      launch(op, perturb_kernel<Compute>, blocks_for(op, count / 4), block_threads, arguments, copy);
    });
  });
}

}  // namespace ops

}  // namespace s2sam
