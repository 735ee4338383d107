#include "s2sam/random.hpp"

#include <cmath>

#include "cuda/launch.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

constexpr double two_pi = 6.283185307179586476925;

// The products are rounded before they are added to, as the CPU does, so that both draw the same numbers.

struct Uniform {
  float lo, hi;

  __device__ void draw(const std::uint32_t* words, float* four) const {
    for (int k = 0; k < 4; ++k) four[k] = __fadd_rn(__fmul_rn(unit_uniform(words[k]), hi - lo), lo);
  }
};

struct Normal {
  float mean, std;

  /// Box and Muller's pair of normal numbers.
  __device__ void pair(const std::uint32_t* words, float* two) const {
    const double u = (static_cast<double>(words[0]) + 1.0) * 0x1p-32;
    const double angle = two_pi * (static_cast<double>(words[1]) * 0x1p-32);
    const double radius = sqrt(-2.0 * log(u));
    two[0] = place(radius * cos(angle));
    two[1] = place(radius * sin(angle));
  }
  __device__ float place(double x) const { return static_cast<float>(__dadd_rn(__dmul_rn(x, std), mean)); }

  __device__ void draw(const std::uint32_t* words, float* four) const {
    pair(words, four);
    pair(words + 2, four + 2);
  }
};

/// Four elements for each counter.
template <class Distribution>
__global__ void draw_kernel(Philox philox, Distribution distribution, std::int64_t count, float* y) {
  each_item((count + 3) / 4, [&](std::int64_t i) {
    float four[4];
    distribution.draw(philox(static_cast<std::uint32_t>(i), 0, 0, 0).word, four);
    for (int k = 0; k < 4; ++k) {
      if (4 * i + k < count) y[4 * i + k] = four[k];
    }
  });
}

template <class Distribution>
void draw(const Op& op, const Philox& philox, const Distribution& distribution, const Tensor& y) {
  const std::int64_t count = y.shape.count();
  launch(op, draw_kernel<Distribution>, blocks_for(op, (count + 3) / 4), block_threads, philox, distribution, count,
         y.as<float>());
}

}  // namespace

void random_uniform(Stream& stream, std::uint32_t key0, std::uint32_t key1, float lo, float hi, Tensor y) {
  stream.submit("randomUniform", [&](const Op& op) { draw(op, Philox{{key0, key1}}, Uniform{lo, hi}, y); });
}

void random_normal(Stream& stream, std::uint32_t key0, std::uint32_t key1, float mean, float std, Tensor y) {
  stream.submit("randomNormal", [&](const Op& op) { draw(op, Philox{{key0, key1}}, Normal{mean, std}, y); });
}

}  // namespace s2sam::ops
