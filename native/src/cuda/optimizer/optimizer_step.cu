// SGD, mask, perturbation and the working copies, in one pass. Bytes per parameter:
//   read     12 1/8  gradient, momentum, master (4 each), mask (1/8)
//   written   8      momentum, master
//            +4      working, unless it is the master itself
//            +2      compute, where products run in 16 bit
// With the 4 1/8 of the norm (gradient_norm.cu) a step of S2-SAM moves 30.25 in 16 bit and 28.25 in f32. The least
// possible in 16 bit is 26.25; the 4 more are the f32 working copy, which batch norm and biases read.

#include <algorithm>
#include <type_traits>

#include "cuda/block.hpp"
#include "cuda/optimizer/arena.hpp"

namespace s2sam {

namespace {

/// At most so many arena blocks are walked by one block of threads.
constexpr std::int64_t most_per_chunk = 64;

struct Segments {
  const std::int32_t* bounds;  ///< begin and end of each parameter
  const float* decay;
  std::int64_t count;
};

struct StepArguments {
  float* master;
  float* momentum;
  const float* gradient;
  const std::uint32_t* bits;
  Segments segments;
  const float* hyper;
  float* stats;
  std::int64_t blocks;     ///< of the arena
  std::int64_t per_chunk;  ///< arena blocks of one block of threads
  ops::Step options;
  bool aligned;
};

struct Range {
  std::int64_t begin, end;
};

/// Fills decay[b] with the weight decay of arena block chunk.begin + b; all threads see it. False when a segment
/// reaches out of the arena.
__device__ bool decay_of_chunk(const Segments& segments, Range chunk, std::int64_t arena_size, float* decay) {
  for (unsigned b = threadIdx.x; b < most_per_chunk; b += blockDim.x) decay[b] = 0.0F;
  __syncthreads();
  bool wrong = false;
  for (std::int64_t s = threadIdx.x; s < segments.count; s += blockDim.x) {
    const std::int64_t begin = segments.bounds[2 * s], end = segments.bounds[2 * s + 1];
    wrong |= begin < 0 || begin > arena_size || end < 0 || end > arena_size;
    const std::int64_t last = min((end + arena_block - 1) / arena_block, chunk.end);
    if (begin >= end) continue;
    for (std::int64_t b = max(begin / arena_block, chunk.begin); b < last; ++b) {
      decay[b - chunk.begin] = segments.decay[s];
    }
  }
  return !__syncthreads_or(wrong);
}

/// By one thread, of the first bound that is wrong; `fault` lacks only the numbers.
__device__ void report_segment(const StepArguments& a, Fault fault, Fault* faults) {
  const std::int64_t size = a.blocks * arena_block;
  for (std::int64_t i = 0; i < 2 * a.segments.count; ++i) {
    const std::int64_t bound = a.segments.bounds[i];
    if (bound >= 0 && bound <= size) continue;
    fault.position = i;
    fault.value = bound;
    fault.limit = size + 1;
    return report(faults, fault);
  }
}

/// The scalars of one step.
struct StepScalars {
  bool steps;  ///< the gradient's norm is finite
  Ascent ascent;
  Sgd sgd;

  __device__ explicit StepScalars(const StepArguments& a)
      : steps(finite_norm(a.stats[ops::stat_grad_norm])),
        ascent(a.hyper, a.stats),
        sgd{a.hyper[ops::hyper_lr], a.hyper[ops::hyper_momentum],
            clip_scale(a.hyper[ops::hyper_max_norm], a.stats[ops::stat_grad_norm]) *
                unscale(a.stats[ops::stat_loss_scale])} {}
};

__device__ void step_element(const StepArguments& a, const StepScalars& now, float decay, bool keep, float& g, float& v,
                             float& w) {
  if (a.options.masked && !keep) g = 0.0F;  // whatever lies there
  if (a.options.nesterov) {
    sgd_update<true>(now.sgd, decay, g, v, w);
  } else {
    sgd_update<false>(now.sgd, decay, g, v, w);
  }
  if (a.options.masked && !keep) v = 0.0F;
  if (!keep) w = 0.0F;
}

template <class Compute>
__device__ void step_four(const StepArguments& a, const StepScalars& now, const WorkingCopy<Compute>& copy, float decay,
                          std::int64_t i) {
  Four g = load_four(a.gradient + i, a.aligned), v = load_four(a.momentum + i, a.aligned);
  Four w = load_four(a.master + i, a.aligned);
  const unsigned keep = keep_of_four(a.bits, i);
  for (int k = 0; k < 4; ++k) step_element(a, now, decay, (keep >> k & 1u) != 0, g.value[k], v.value[k], w.value[k]);
  store_four(a.momentum + i, v, a.aligned);
  store_four(a.master + i, w, a.aligned);
  if (a.options.perturb && now.ascent.possible) {
    for (int k = 0; k < 4; ++k) w.value[k] = ascend(now.ascent.scale, g.value[k], w.value[k]);
  }
  copy.store(i, w);
}

template <class Compute>
__global__ void step_kernel(StepArguments a, WorkingCopy<Compute> copy, Fault wrong_segment, Fault* faults) {
  __shared__ float decay[most_per_chunk];
  // From the end of the arena to its front: the cache still holds the end of the gradient, whose norm was taken just before.
  const std::int64_t place = gridDim.x - 1 - blockIdx.x;
  const Range chunk{place * a.per_chunk, min((place + 1) * a.per_chunk, a.blocks)};
  const StepScalars now(a);
  if (now.steps && !decay_of_chunk(a.segments, chunk, a.blocks * arena_block, decay)) {
    if (is_first_thread()) report_segment(a, wrong_segment, faults);
    return;
  }
  if (is_first_thread()) {
    if (a.options.perturb) now.ascent.count_skipped(a.stats);
    if (!now.steps) a.stats[ops::stat_skipped_steps] += 1.0F;
  }
  const int lane = threadIdx.x % warp_threads;
  for (std::int64_t block = chunk.begin + threadIdx.x / warp_threads; block < chunk.end; block += block_warps) {
    const std::int64_t i = block * arena_block + lane * 4;
    if (now.steps) {
      step_four(a, now, copy, decay[block - chunk.begin], i);
    } else {
      copy.store(i, load_four(a.master + i, a.aligned));
    }
  }
}

/// Enough chunks to fill the device several times over, each of a whole number of rounds of the block's warps.
std::int64_t blocks_per_chunk(const Op& op, std::int64_t blocks) {
  const std::int64_t wanted = blocks / (std::int64_t{op.limits().processors} * 16);
  return std::clamp<std::int64_t>(wanted / block_warps * block_warps, block_warps, most_per_chunk);
}

}  // namespace

namespace ops {

void optimizer_step(Stream& stream, Arena arena, Step options, Tensor hyper, Tensor stats) {
  stream.submit("optimizerStep", [&](Op& op) {
    const double separate = arena.working.data == arena.master.data ? 0.0 : bytes_of(arena.working);
    op.count({.bytes = bytes_of(arena.gradient, arena.bits, arena.master, arena.master, arena.momentum, arena.momentum,
                                arena.compute) + separate});
    const std::int64_t blocks = arena.master.shape.count() / arena_block, per_chunk = blocks_per_chunk(op, blocks);
    const Segments segments{arena.segments.as<const std::int32_t>(), arena.decay.as<const float>(),
                            arena.segments.shape[0]};
    const StepArguments arguments{arena.master.as<float>(),         arena.momentum.as<float>(),
                                  arena.gradient.as<const float>(), arena.bits.as<const std::uint32_t>(),
                                  segments,                         hyper.as<const float>(),
                                  stats.as<float>(),                blocks,
                                  per_chunk,                        options,
                                  is_aligned(arena)};
    with_compute_type(arena, [&](auto type) {
      using Compute = decltype(type);
      launch(op, step_kernel<Compute>, static_cast<unsigned>((blocks + per_chunk - 1) / per_chunk), block_threads,
             arguments, working_copy_of<Compute>(arena),
             Fault{Fault::index_out_of_range, op.name(), "segments", 0, 0, 0}, op.faults());
    });
  });
}

}  // namespace ops

}  // namespace s2sam
