#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/dispatch.hpp"
#include "s2sam/update.hpp"

namespace s2sam {

/// The grain of the arena: parameters begin at multiples of it, so one weight decay serves a whole block.
inline constexpr std::ptrdiff_t arena_block = 128;

/// Some blocks of the arena, from their first element on.
struct ArenaRun {
  float* master;
  float* momentum;
  const float* gradient;
  float* working;
  const std::uint32_t* bits;
  const float* decay;  ///< of each block
  std::ptrdiff_t blocks;
};

/// What the working copy receives.
enum class Working : int { untouched, master, ascended };

struct ArenaKernels {
  /// Sum over [0, count) of (bits? * weights? * gradient)^2; indexed by whether bits and weights are given.
  double (*sum_squares[2][2])(const float* gradient, const std::uint32_t* bits, const float* weights,
                              std::ptrdiff_t count);
  /// One SGD step; indexed by nesterov, masked and Working.
  void (*step[2][2][3])(const ArenaRun&, const Sgd&, float ascent);
  /// working = bits? * (master + e); indexed by masked and adaptive.
  void (*perturb[2][2])(const ArenaRun&, float ascent);
};

S2SAM_KERNEL_TABLE(ArenaKernels, arena_kernels)

}  // namespace s2sam
