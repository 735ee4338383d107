#pragma once

#include <cstddef>
#include <cstdint>

namespace s2sam::images {

/// Rows of pixels of which the first three bytes are red, green, blue: the part of an image that begins at (left, top).
/// One byte behind the last pixel may be read.
struct Pixels {
  const std::uint8_t* data = nullptr;
  std::size_t row_bytes = 0;
  int pixel_bytes = 3;
  int left = 0, top = 0, width = 0, height = 0;
};

}  // namespace s2sam::images
