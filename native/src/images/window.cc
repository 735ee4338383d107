#include "images/window.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "images/broken.hpp"

namespace s2sam::images {

namespace {

constexpr std::uint32_t attempts = 10;

double between(const float range[2], std::uint32_t word) {
  return range[0] + (static_cast<double>(range[1]) - range[0]) * unit_uniform(word);
}

int below(int count, std::uint32_t word) {
  return std::min(count - 1, static_cast<int>(static_cast<double>(unit_uniform(word)) * count));
}

/// Rounds halves to even, as Python does.
int rounded(double value) { return static_cast<int>(std::nearbyint(value)); }

Window whole_window(int left, int top, int width, int height, Size out) {
  Window window;
  window.left = left;
  window.top = top;
  window.width = width;
  window.height = height;
  window.scaled = window.out = out;
  return window;
}

/// The largest part in the middle whose shape is allowed.
Window fallback(const float ratio[2], Size image, Size out) {
  const double shape = static_cast<double>(image.width) / image.height;
  int width = image.width, height = image.height;
  if (shape < ratio[0]) height = std::min(height, rounded(width / static_cast<double>(ratio[0])));
  if (shape > ratio[1]) width = std::min(width, rounded(height * static_cast<double>(ratio[1])));
  return whole_window((image.width - width) / 2, (image.height - height) / 2, width, height, out);
}

/// The size of an image whose shorter side becomes `resize`.
Size resized(Size image, int resize) {
  const auto longer = [&](int of, int by) {
    return static_cast<int>(static_cast<std::int64_t>(resize) * of / by);
  };
  return image.width <= image.height ? Size{resize, longer(image.height, image.width)}
                                     : Size{longer(image.width, image.height), resize};
}

}  // namespace

Window random_crop(const RandomCrop& recipe, Size image, Size out, const Philox& key, std::uint32_t epoch,
                   std::uint32_t index) {
  const double area = static_cast<double>(image.width) * image.height;
  const float shapes[2] = {std::log(recipe.ratio[0]), std::log(recipe.ratio[1])};
  const bool flip = recipe.flip && (key(index, attempts, epoch, 1).word[0] >> 31) != 0;
  for (std::uint32_t attempt = 0; attempt < attempts; ++attempt) {
    const auto words = key(index, attempt, epoch, 1);
    const double target = area * between(recipe.scale, words.word[0]);
    const double shape = std::exp(between(shapes, words.word[1]));
    const int width = rounded(std::sqrt(target * shape)), height = rounded(std::sqrt(target / shape));
    if (width < 1 || height < 1 || width > image.width || height > image.height) continue;
    Window window = whole_window(below(image.width - width + 1, words.word[2]),
                                 below(image.height - height + 1, words.word[3]), width, height, out);
    window.flip = flip;
    return window;
  }
  Window window = fallback(recipe.ratio, image, out);
  window.flip = flip;
  return window;
}

Window centre_crop(Size image, int resize, Size out) {
  Window window = whole_window(0, 0, image.width, image.height, out);
  window.scaled = resize == 0 ? image : resized(image, resize);
  if (window.scaled.width < out.width || window.scaled.height < out.height) {
    throw Broken("has " + std::to_string(image.width) + "x" + std::to_string(image.height) + " pixels, fewer than the " +
                 std::to_string(out.width) + "x" + std::to_string(out.height) + " that are cut out; resize images first");
  }
  window.offset_x = rounded((window.scaled.width - out.width) / 2.0);
  window.offset_y = rounded((window.scaled.height - out.height) / 2.0);
  return window;
}

Window shrunk(Size image, int resize) {
  const bool larger = std::min(image.width, image.height) > resize;
  return whole_window(0, 0, image.width, image.height, larger ? resized(image, resize) : image);
}

}  // namespace s2sam::images
