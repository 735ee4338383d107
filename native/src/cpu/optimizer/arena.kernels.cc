#include "cpu/optimizer/arena.kernels.hpp"

#include "cpu/vec.hpp"

namespace s2sam::S2SAM_ISA {

namespace {

constexpr int word_bits = 32;

/// bit[i] = 1 << i: not every instruction set shifts each lane by an amount of its own.
struct BitTable {
  alignas(64) std::uint32_t bit[word_bits];
  constexpr BitTable() : bit{} {
    for (int i = 0; i < word_bits; ++i) bit[i] = std::uint32_t{1} << i;
  }
};
constexpr BitTable bit_of;

/// The 32 bits of a mask word, each spread over a float. Applied by AND, which makes +0 of anything and which compilers
/// vectorise everywhere; a choice per element they would often turn into branches.
class Keep {
 public:
  explicit Keep(std::uint32_t word) {
    using Words [[gnu::vector_size(native_lanes * 4), gnu::may_alias]] = std::uint32_t;
    for (int i = 0; i < word_bits; i += native_lanes) {
      const Words bit = *reinterpret_cast<const Words*>(bit_of.bit + i);
      *reinterpret_cast<Words*>(spread_ + i) = reinterpret_cast<Words>((bit & word) == bit);
    }
  }
  float operator()(int k, float x) const {
    return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, x) & spread_[k]);
  }

 private:
  alignas(64) std::uint32_t spread_[word_bits];
};

/// lane[k] += (kept? * weight? * gradient)^2 for up to 32 elements; in double, where the square of a float is exact.
template <bool masked, bool weighted>
[[gnu::always_inline]] inline void add_squares(const float* gradient, std::uint32_t word, const float* weights,
                                               int count, double* lane) {
  const Keep keep(word);
#pragma GCC ivdep
  for (int k = 0; k < count; ++k) {
    const float g = masked ? keep(k, gradient[k]) : gradient[k];
    const double value = weighted ? static_cast<double>(g) * weights[k] : static_cast<double>(g);
    lane[k] += value * value;
  }
}

template <bool masked, bool weighted>
double sum_squares(const float* gradient, const std::uint32_t* bits, const float* weights, std::ptrdiff_t count) {
  double lane[word_bits]{};
  for (std::ptrdiff_t i = 0; i < count; i += word_bits) {
    const std::uint32_t word = masked ? bits[i / word_bits] : 0;
    const float* weight = weighted ? weights + i : nullptr;
    if (count - i >= word_bits) {
      add_squares<masked, weighted>(gradient + i, word, weight, word_bits, lane);
    } else {
      add_squares<masked, weighted>(gradient + i, word, weight, static_cast<int>(count - i), lane);
    }
  }
  double total = 0.0;
  for (double value : lane) total += value;
  return total;
}

/// 32 elements. Masked, the gradient counts as 0 where the bit is 0, whatever lies there.
template <bool nesterov, bool masked, Working mode>
void step_word(float* master, float* momentum, const float* gradient, float* working, std::uint32_t word, float decay,
               const Sgd& sgd, float ascent) {
  const Keep keep(word);
#pragma GCC ivdep
  for (int k = 0; k < word_bits; ++k) {
    const float g = masked ? keep(k, gradient[k]) : gradient[k];
    float v = momentum[k], w = master[k];
    sgd_update<nesterov>(sgd, decay, g, v, w);
    momentum[k] = masked ? keep(k, v) : v;
    master[k] = w = keep(k, w);
    if constexpr (mode == Working::master) working[k] = w;
    if constexpr (mode == Working::ascended) working[k] = ascend(ascent, g, w);
  }
}

template <bool nesterov, bool masked, Working mode>
void step(const ArenaRun& run, const Sgd& sgd, float ascent) {
  const Sgd local = sgd;
  for (std::ptrdiff_t block = 0; block < run.blocks; ++block) {
    const float decay = run.decay[block];
    for (std::ptrdiff_t i = block * arena_block; i < (block + 1) * arena_block; i += word_bits) {
      float* working = mode == Working::untouched ? nullptr : run.working + i;
      step_word<nesterov, masked, mode>(run.master + i, run.momentum + i, run.gradient + i, working,
                                        run.bits[i / word_bits], decay, local, ascent);
    }
  }
}

template <bool masked, bool adaptive>
void perturb(const ArenaRun& run, float ascent) {
  for (std::ptrdiff_t i = 0; i < run.blocks * arena_block; i += word_bits) {
    const Keep keep(masked ? run.bits[i / word_bits] : 0);
    const float* master = run.master + i;
    const float* gradient = run.gradient + i;
    float* working = run.working + i;
#pragma GCC ivdep
    for (int k = 0; k < word_bits; ++k) {
      const float g = gradient[k], w = master[k];
      const float up = adaptive ? ascend_adaptive(ascent, g, w) : ascend(ascent, g, w);
      working[k] = masked ? keep(k, up) : up;
    }
  }
}

}  // namespace

const ArenaKernels arena_kernels{
    .sum_squares = {{sum_squares<false, false>, sum_squares<false, true>},
                    {sum_squares<true, false>, sum_squares<true, true>}},
    .step = {{{step<false, false, Working::untouched>, step<false, false, Working::master>,
               step<false, false, Working::ascended>},
              {step<false, true, Working::untouched>, step<false, true, Working::master>,
               step<false, true, Working::ascended>}},
             {{step<true, false, Working::untouched>, step<true, false, Working::master>,
               step<true, false, Working::ascended>},
              {step<true, true, Working::untouched>, step<true, true, Working::master>,
               step<true, true, Working::ascended>}}},
    .perturb = {{perturb<false, false>, perturb<false, true>}, {perturb<true, false>, perturb<true, true>}},
};

}  // namespace s2sam::S2SAM_ISA
