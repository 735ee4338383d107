#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "images/pixels.hpp"
#include "images/resample.hpp"
#include "images/window.hpp"

namespace s2sam::images {

using Bytes = std::span<const std::uint8_t>;

/// Whether these bytes begin like a JPEG file.
bool is_jpeg(Bytes file);

/// One JPEG file, decoded with libjpeg-turbo: greyscale, YCbCr, RGB, CMYK and YCCK, baseline and progressive. The orientation that
/// Exif names is not applied, as in torchvision. What is damaged inside is decoded as well as it goes; what ends too early, or is no
/// JPEG of 8 bits, throws Broken.
class Jpeg {
 public:
  /// Reads the header. Throws Broken.
  explicit Jpeg(Bytes file);
  ~Jpeg();
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;

  Size size() const;
  /// Whether its pixels are greyscale or YCbCr, which is how `encode_jpeg` would write them too.
  bool plain() const;
  /// The pixels of a region, every `shrink` (1, 2, 4 or 8) of which become one; rows and columns beside it may come along. They lie in
  /// `scratch`. To be called once. Throws Broken.
  Pixels decode(const Region& region, int shrink, std::vector<std::uint8_t>& scratch);

 private:
  struct State;
  State* state_;
};

/// JPEG of [height][width][3] bytes; colours at half resolution, as is usual. `quality` 1 to 100.
std::vector<std::uint8_t> encode_jpeg(const std::uint8_t* pixels, Size size, int quality);

}  // namespace s2sam::images
