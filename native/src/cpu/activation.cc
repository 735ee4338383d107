#include "cpu/activation.hpp"

#include <algorithm>

namespace s2sam {

void clear_border(const ActivationLayout& layout, float* data, std::int64_t block, std::int64_t channel) {
  if (layout.border == 0) return;
  const std::int64_t edge = layout.border * ActivationLayout::lanes;
  float* plane = data + block * layout.block + channel * layout.plane;
  // The right edge of one row and the left edge of the next are neighbours in memory.
  float* first = data + layout.at(block, channel);
  std::fill(plane, first, 0.0F);
  for (std::int64_t r = 0; r + 1 < layout.h; ++r) {
    std::fill_n(first + r * layout.row + layout.w * ActivationLayout::lanes, 2 * edge, 0.0F);
  }
  std::fill(first + (layout.h - 1) * layout.row + layout.w * ActivationLayout::lanes, plane + layout.plane, 0.0F);
}

void clear_dead_lanes(float* row, std::int64_t pixels, int live) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    std::fill(row + i * ActivationLayout::lanes + live, row + (i + 1) * ActivationLayout::lanes, 0.0F);
  }
}

}  // namespace s2sam
