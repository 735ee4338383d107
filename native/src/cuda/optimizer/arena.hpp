#pragma once

#include "cuda/block.hpp"
#include "cuda/half.hpp"
#include "s2sam/ops.hpp"
#include "s2sam/update.hpp"

/// How kernels walk the arena: each thread moves four neighbours of every array at a time, 16 bytes of those in f32, so
/// that a warp has a block of 128 elements, to which one weight decay and four words of mask bits belong.
namespace s2sam {

/// The grain of the arena: parameters begin at multiples of it.
constexpr int arena_block = 128;

using Four = Vec<float, 4>;

/// The `compute` of an arena that has none.
struct NoCompute {};

/// `aligned`: whether all arrays are, to what Vec wants. Those of a model are; a window on some of it may not be.
template <class T>
__device__ Vec<T, 4> load_four(const T* from, bool aligned) {
  if (aligned) return *reinterpret_cast<const Vec<T, 4>*>(from);
  return {from[0], from[1], from[2], from[3]};
}

template <class T>
__device__ void store_four(T* to, const Vec<T, 4>& four, bool aligned) {
  if (aligned) {
    *reinterpret_cast<Vec<T, 4>*>(to) = four;
  } else {
    for (int k = 0; k < 4; ++k) to[k] = four.value[k];
  }
}

/// Bit k belongs to element i + k; i is a multiple of 4.
__device__ inline unsigned keep_of_four(const std::uint32_t* bits, std::int64_t i) { return bits[i / 32] >> (i % 32); }

/// The working copy: f32 unless it is the master itself (null then), and rounded unless there is no such array.
template <class Compute>
struct WorkingCopy {
  float* working;
  Compute* compute;
  bool aligned;

  __device__ void store(std::int64_t i, const Four& w) const {
    if (working != nullptr) store_four(working + i, w, aligned);
    if constexpr (!std::is_same_v<Compute, NoCompute>) {
      Vec<Compute, 4> rounded;
      for (int k = 0; k < 4; ++k) rounded.value[k] = from_float<Compute>(w.value[k]);
      store_four(compute + i, rounded, aligned);
    }
  }
};

/// Calls body(Compute{}) with the type of the arena's compute copy.
template <class Body>
void with_compute_type(const ops::Arena& arena, const Body& body) {
  if (!arena.compute) return body(NoCompute{});
  if (arena.compute.dtype == DType::f16) return body(f16{});
  return body(bf16{});
}

inline bool is_aligned(const Tensor& tensor) {
  return reinterpret_cast<std::uintptr_t>(tensor.data) % (4 * size_of(tensor.dtype)) == 0;
}

inline bool is_aligned(const ops::Arena& arena) {
  return is_aligned(arena.master) && is_aligned(arena.momentum) && is_aligned(arena.gradient) &&
         is_aligned(arena.working) && is_aligned(arena.compute);
}

template <class Compute>
WorkingCopy<Compute> working_copy_of(const ops::Arena& arena) {
  return {arena.working.data == arena.master.data ? nullptr : arena.working.as<float>(), arena.compute.as<Compute>(),
          is_aligned(arena)};
}

/// What the perturbation is scaled by, or 0 where there is to be none: rho is 0, or the norm cannot divide.
struct Ascent {
  bool wanted;  ///< rho is not 0
  bool possible;
  float scale;

  __device__ Ascent(const float* hyper, const float* stats)
      : wanted(hyper[ops::hyper_rho] != 0.0F),
        possible(wanted && usable_norm(stats[ops::stat_perturb_norm])),
        scale(possible ? ascent_scale(hyper[ops::hyper_rho], stats[ops::stat_perturb_norm]) *
                             unscale(stats[ops::stat_loss_scale])
                       : 0.0F) {}

  /// By one thread of the kernel.
  __device__ void count_skipped(float* stats) const {
    if (wanted && !possible) stats[ops::stat_skipped_perturbations] += 1.0F;
  }
};

}  // namespace s2sam
