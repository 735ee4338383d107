#pragma once

#include <array>
#include <cstddef>
#include <tuple>

#include "cpu/activation.hpp"
#include "cpu/chunks.hpp"

namespace s2sam {

/// Calls row(to, from, count) on contiguous runs of `count` floats that together cover y (f32, either format); from[k]
/// points at the same elements of input k, whose border may differ. Keeps the invariants of activations. An input may
/// be y.
template <std::size_t N, class Row>
void map_rows(Context& context, const std::array<Tensor, N>& inputs, const Tensor& y, const Row& row) {
  context.count({.bytes = std::apply([&](const auto&... each) { return bytes_of(each..., y); }, inputs)});
  if (y.format == Format::plain) {
    parallel_chunks(context, y.shape.count(), [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
      const float* from[N + 1];
      for (std::size_t k = 0; k < N; ++k) from[k] = inputs[k].template as<const float>() + begin;
      row(y.as<float>() + begin, from, end - begin);
    });
    return;
  }
  const ActivationLayout to(y);
  parallel_planes(context, to, [&](std::int64_t block, std::int64_t channel) {
    clear_border(to, y.as<float>(), block, channel);
    const int live = to.live_lanes(block);
    for (std::int64_t r = 0; r < to.h; ++r) {
      const float* from[N + 1];
      for (std::size_t k = 0; k < N; ++k) {
        from[k] = inputs[k].template as<const float>() + ActivationLayout(inputs[k]).at(block, channel, r);
      }
      float* out = y.as<float>() + to.at(block, channel, r);
      row(out, from, to.w * ActivationLayout::lanes);
      if (live < ActivationLayout::lanes) clear_dead_lanes(out, to.w, live);
    }
  });
}

}  // namespace s2sam
