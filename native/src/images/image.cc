#include "images/image.hpp"

#include <algorithm>
#include <string>

#include "images/broken.hpp"

namespace s2sam::images {

namespace {

void check(const Encoded& image) {
  if (image.raw) {
    const auto [width, height] = *image.raw;
    const auto wanted = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
    if (image.bytes.size() == wanted) return;
    throw Broken("has " + std::to_string(image.bytes.size()) + " bytes for " + std::to_string(width) + "x" +
                 std::to_string(height) + " pixels");
  }
  if (image.bytes.empty()) throw Broken("is empty");
  if (!is_jpeg(image.bytes)) throw Foreign("is not a JPEG");
}

Pixels raw_pixels(const Encoded& image) {
  Pixels pixels;
  pixels.data = image.bytes.data();
  pixels.width = image.raw->width;
  pixels.height = image.raw->height;
  pixels.row_bytes = static_cast<std::size_t>(pixels.width) * 3;
  return pixels;
}

Window window_of(const Recipe& recipe, Size image, std::uint32_t index) {
  if (!recipe.random) return centre_crop(image, recipe.resize, recipe.out);
  return random_crop(*recipe.random, image, recipe.out, recipe.key, recipe.epoch, index);
}

/// By how much a crop may be shrunk while it is decoded and still have the pixels that are wanted. Evaluation decodes everything, so
/// that its images are those that other programs see.
int shrink_of(const Recipe& recipe, const Window& window) {
  int shrink = 1;
  while (recipe.random && shrink < 8 && window.width >= 2 * shrink * window.out.width &&
         window.height >= 2 * shrink * window.out.height) {
    shrink *= 2;
  }
  return shrink;
}

Region whole(Size size) { return {{0, size.width}, {0, size.height}}; }

}  // namespace

void read_image(const Encoded& image, const Recipe& recipe, std::uint32_t index, Scratch& scratch,
                std::uint8_t* planes) {
  check(image);
  if (image.raw) {
    const Window window = window_of(recipe, *image.raw, index);
    resample_planes(raw_pixels(image), window, 1, scratch.resample, planes);
    return;
  }
  Jpeg jpeg(image.bytes);
  const Window window = window_of(recipe, jpeg.size(), index);
  const int shrink = shrink_of(recipe, window);
  const Pixels pixels = jpeg.decode(needed(window), shrink, scratch.pixels);
  resample_planes(pixels, window, shrink, scratch.resample, planes);
}

namespace {

/// Planes to interleaved pixels.
std::vector<std::uint8_t> interleaved(const std::vector<std::uint8_t>& planes) {
  const std::size_t count = planes.size() / 3;
  std::vector<std::uint8_t> pixels(planes.size());
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < count; ++i) pixels[3 * i + c] = planes[c * count + i];
  }
  return pixels;
}

Packed pack_pixels(const Pixels& pixels, Size size, int resolution, int quality, Scratch& scratch) {
  const Window window = shrunk(size, resolution);
  const Size out = window.out;
  std::vector<std::uint8_t> planes(static_cast<std::size_t>(out.width) * static_cast<std::size_t>(out.height) * 3);
  resample_planes(pixels, window, 1, scratch.resample, planes.data());
  std::vector<std::uint8_t> small = interleaved(planes);
  return {out, quality == 0 ? std::move(small) : encode_jpeg(small.data(), out, quality)};
}

}  // namespace

Packed pack_image(const Encoded& image, int resolution, int quality, Scratch& scratch) {
  check(image);
  if (image.raw) return pack_pixels(raw_pixels(image), *image.raw, resolution, quality, scratch);
  Jpeg jpeg(image.bytes);
  const Size size = jpeg.size();
  const Pixels pixels = jpeg.decode(whole(size), 1, scratch.pixels);
  if (quality != 0 && jpeg.plain() && std::min(size.width, size.height) <= resolution) {
    return {size, {image.bytes.begin(), image.bytes.end()}};
  }
  return pack_pixels(pixels, size, resolution, quality, scratch);
}

}  // namespace s2sam::images
