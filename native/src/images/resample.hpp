#pragma once

#include <cstdint>
#include <vector>

#include "images/pixels.hpp"
#include "images/window.hpp"

namespace s2sam::images {

/// What part of a stretch of pixels a resampling looks at.
struct Span {
  int begin = 0, end = 0;
};

/// Weights of a triangle filter, antialiased where it shrinks, in fixed point: output pixel i is the sum of `count[i]` pixels from
/// `begin[i]` on, times `weight[i * taps ...]`. The arithmetic is that of Pillow's BILINEAR, so
/// results equal its, bit for bit. (Pillow 13 filters vertically first where that shrinks more; before it, as here, never.)
class Filter {
 public:
  static constexpr int bits = 22;

  /// A stretch of pixels: `extent` of them from `origin` on, of which those in `available` may be looked at. Positions count from
  /// pixel `shift` of what is filtered.
  struct Source {
    double origin = 0, extent = 0;
    Span available;
    int shift = 0;
  };

  /// Output pixels `offset ... offset + out - 1` of the source resampled to `scaled` pixels.
  Filter(const Source& source, int scaled, int offset, int out);

  int begin(int i) const { return begin_[static_cast<std::size_t>(i)]; }
  int count(int i) const { return count_[static_cast<std::size_t>(i)]; }
  const std::int32_t* weights(int i) const { return weights_.data() + static_cast<std::size_t>(i) * taps_; }
  /// The input pixels it looks at.
  Span span() const;

 private:
  std::size_t taps_;
  std::vector<int> begin_, count_;
  std::vector<std::int32_t> weights_;
};

/// The part of an image that is needed for a window, in pixels of the image.
struct Region {
  Span x, y;
};
Region needed(const Window& window);

/// Scratch of one thread.
struct ResampleScratch {
  std::vector<std::uint8_t> rows;
};

/// Resamples a window to [3, out.height, out.width] planes. `shrink`: how many pixels of the image became one in `pixels`, in each
/// direction; the positions of `pixels` are in its own pixels.
void resample_planes(const Pixels& pixels, const Window& window, int shrink, ResampleScratch& scratch, std::uint8_t* planes);

}  // namespace s2sam::images
