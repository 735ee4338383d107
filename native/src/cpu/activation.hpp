#pragma once

#include <cstdint>

#include "cpu/chunks.hpp"
#include "cpu/layout.hpp"

/// What keeps the two invariants of activations: the border is zero, and so are the lanes that pad the batch.
namespace s2sam {

/// Writes the zero border of plane (block, channel).
void clear_border(const ActivationLayout& layout, float* data, std::int64_t block, std::int64_t channel);

/// Zeroes the lanes from `live` on in `pixels` pixels.
void clear_dead_lanes(float* row, std::int64_t pixels, int live);

/// Calls body(block, channel) for every plane.
template <class Body>
void parallel_planes(Context& context, const ActivationLayout& layout, const Body& body) {
  parallel_items(context, layout.blocks * layout.c, layout.plane,
                 [&](std::ptrdiff_t i) { body(i / layout.c, i % layout.c); });
}

}  // namespace s2sam
