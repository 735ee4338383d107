#pragma once

#include <cstdint>

#include "s2sam/random.hpp"

namespace s2sam::images {

struct Size {
  int width = 0, height = 0;
};

/// A part of an image and the size it is resampled to; what is wanted of that are `out` pixels from (offset_x, offset_y) on.
struct Window {
  int left = 0, top = 0, width = 0, height = 0;
  Size scaled;
  int offset_x = 0, offset_y = 0;
  Size out;
  bool flip = false;
};

/// Random resized crop and horizontal flip (Szegedy et al. 2015), with the proposals and the fallback of torchvision.
struct RandomCrop {
  /// Area of the crop over that of the image, and width over height; lowest and highest.
  float scale[2] = {0.08f, 1.0f};
  float ratio[2] = {3.0f / 4, 4.0f / 3};
  /// Mirror every second image.
  bool flip = true;
};

/// The crop of an image in an epoch: a function of key, epoch and index alone.
Window random_crop(const RandomCrop& recipe, Size image, Size out, const Philox& key, std::uint32_t epoch,
                   std::uint32_t index);

/// The middle of the image resized so that its shorter side is `resize` pixels (0: as it is), as torchvision's Resize and
/// CenterCrop. Throws Broken where the image is smaller than `out` then.
Window centre_crop(Size image, int resize, Size out);

/// The whole image with its shorter side `resize` pixels long at the most.
Window shrunk(Size image, int resize);

}  // namespace s2sam::images
