#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "images/jpeg.hpp"
#include "images/resample.hpp"
#include "images/window.hpp"
#include "s2sam/random.hpp"

namespace s2sam::images {

/// The bytes of one image: a JPEG file or, where it has a size, [height][width][3] bytes.
struct Encoded {
  Bytes bytes;
  std::optional<Size> raw;
};

/// How images become [3, height, width] planes.
struct Recipe {
  Size out;
  /// Of evaluation: shorter side before the middle is cut out; 0: as it is.
  int resize = 0;
  /// Of training, instead.
  std::optional<RandomCrop> random;
  Philox key{};
  std::uint32_t epoch = 0;
};

/// What a thread keeps from image to image.
struct Scratch {
  std::vector<std::uint8_t> file, pixels;
  ResampleScratch resample;
};

/// Writes the planes of an image; `index` is what its random choices are keyed by. Throws Broken, and Foreign for a file that is none
/// of JPEG.
void read_image(const Encoded& image, const Recipe& recipe, std::uint32_t index, Scratch& scratch, std::uint8_t* planes);

/// An image made small for a store.
struct Packed {
  Size size;
  std::vector<std::uint8_t> bytes;
};

/// The image with its shorter side `resolution` pixels long at the most, as JPEG of `quality`, or for 0 as [height][width][3] bytes. A
/// JPEG that is small enough stays as it is, unless raw bytes are wished. Throws Broken and Foreign.
Packed pack_image(const Encoded& image, int resolution, int quality, Scratch& scratch);

}  // namespace s2sam::images
