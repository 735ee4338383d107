#pragma once

#include <cstdint>

#include "s2sam/tensor.hpp"
#include "s2sam/work.hpp"

namespace s2sam {

/// Activations on the CPU: [ceil(N / 16)][C][H + 2b][W + 2b][16], the 16 images of a block innermost, planes with a zero border
/// of b, lanes past N zero, and between planes a few unused floats (`plane_pixels`). All counts in floats.
struct ActivationLayout {
  static constexpr int lanes = 16;

  std::int64_t n, c, h, w;
  int border;
  std::int64_t blocks, row, plane, block;

  explicit ActivationLayout(const Tensor& x)
      : n(x.shape[0]), c(x.shape[1]), h(x.shape[2]), w(x.shape[3]), border(x.border) {
    blocks = (n + lanes - 1) / lanes;
    row = (w + 2 * border) * lanes;
    plane = plane_pixels((h + 2 * border) * (w + 2 * border)) * lanes;
    block = c * plane;
  }

  std::int64_t floats() const { return blocks * block; }
  /// Offset of pixel (r, col), which may lie in the border (negative coordinates), of channel ch in block b.
  std::int64_t at(std::int64_t b, std::int64_t ch, std::int64_t r = 0, std::int64_t col = 0) const {
    return b * block + ch * plane + (r + border) * row + (col + border) * lanes;
  }
  /// Distance of planes, in pixels, each of which is one cache line. A convolution reads the same few pixels of many
  /// planes; at a distance with many factors of two they would fall on the same few sets of the cache and push each
  /// other out, which cost up to a third of a sparse convolution's speed.
  static std::int64_t plane_pixels(std::int64_t pixels) {
    constexpr std::int64_t period = 32, wanted = 17;
    if (pixels < period) return pixels | 1;
    return pixels + (wanted - pixels % period + period) % period;
  }
  /// How many lanes of block b hold images.
  int live_lanes(std::int64_t b) const {
    const std::int64_t rest = n - b * lanes;
    return rest < lanes ? static_cast<int>(rest) : lanes;
  }
};

/// Activations larger than this have left the caches before anybody reads them: they are written past the caches, which
/// spares reading what lies there first.
inline constexpr double streamed_bytes = 4 << 20;

}  // namespace s2sam
