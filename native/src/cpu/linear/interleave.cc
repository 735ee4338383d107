#include "cpu/linear/interleave.hpp"

#include <algorithm>

#include "cpu/layout.hpp"

namespace s2sam {

namespace {

constexpr std::int64_t lanes = ActivationLayout::lanes;
constexpr std::int64_t group = 16;  // features converted together: one cache line of each sample

/// Calls body(block, live samples, first feature, end) for the squares of 16 samples by 16 features.
template <class Body>
void for_each_square(Context& context, const Shape& plain, const Body& body) {
  const std::int64_t samples = plain[0], features = plain[1], blocks = (samples + lanes - 1) / lanes;
  context.parallel((features + group - 1) / group, [&](std::ptrdiff_t g) {
    const std::int64_t first = g * group, end = std::min(first + group, features);
    for (std::int64_t block = 0; block < blocks; ++block) {
      body(block, std::min(lanes, samples - block * lanes), first, end);
    }
  });
}

}  // namespace

Tensor interleaved(Context& context, const Shape& plain, int slot) {
  Tensor x{{lanes, plain[1], 1, (plain[0] + lanes - 1) / lanes}, DType::f32, Format::activation, 0, nullptr};
  x.data = context.scratch(storage_bytes(x.shape, x.dtype, x.format, x.border), slot);
  return x;
}

Tensor interleave(Context& context, const Tensor& plain, int slot) {
  const Tensor x = interleaved(context, plain.shape, slot);
  const ActivationLayout layout(x);
  const std::int64_t features = plain.shape[1];
  for_each_square(context, plain.shape, [&](std::int64_t block, std::int64_t live, std::int64_t first,
                                            std::int64_t end) {
    const float* from = plain.as<const float>() + block * lanes * features;
    for (std::int64_t f = first; f < end; ++f) {
      float* to = x.as<float>() + layout.at(0, f, 0, block);
      for (std::int64_t lane = 0; lane < live; ++lane) to[lane] = from[lane * features + f];
      std::fill(to + live, to + lanes, 0.0F);
    }
  });
  return x;
}

void deinterleave(Context& context, const Tensor& x, const Tensor& bias_or_null, bool accumulate, const Tensor& plain) {
  const ActivationLayout layout(x);
  const std::int64_t features = plain.shape[1];
  const auto* bias = bias_or_null.as<const float>();
  for_each_square(context, plain.shape, [&](std::int64_t block, std::int64_t live, std::int64_t first,
                                            std::int64_t end) {
    float* to = plain.as<float>() + block * lanes * features;
    for (std::int64_t lane = 0; lane < live; ++lane) {
      for (std::int64_t f = first; f < end; ++f) {
        const float value = x.as<const float>()[layout.at(0, f, 0, block) + lane] + (bias ? bias[f] : 0.0F);
        to[lane * features + f] = accumulate ? to[lane * features + f] + value : value;
      }
    }
  });
}

}  // namespace s2sam
