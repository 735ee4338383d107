#include "images/resample.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace s2sam::images {

namespace {

using Bytes16 = std::uint8_t __attribute__((vector_size(16)));
using Ints4 = std::int32_t __attribute__((vector_size(16)));

/// A pixel of four bytes as integers, and back. (Written as shuffles, which compilers turn into one or two instructions.)
Ints4 widened(const std::uint8_t* pixel) {
  std::uint32_t word;
  std::memcpy(&word, pixel, sizeof(word));
  const auto bytes = reinterpret_cast<Bytes16>(Ints4{static_cast<std::int32_t>(word), 0, 0, 0});
  return reinterpret_cast<Ints4>(
      __builtin_shufflevector(bytes, Bytes16{}, 0, 16, 16, 16, 1, 16, 16, 16, 2, 16, 16, 16, 3, 16, 16, 16));
}

std::uint32_t narrowed(Ints4 pixel) {
  const auto bytes = reinterpret_cast<Bytes16>(pixel);
  const Bytes16 packed = __builtin_shufflevector(bytes, bytes, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
  return static_cast<std::uint32_t>(reinterpret_cast<Ints4>(packed)[0]);
}

constexpr std::int32_t half = 1 << (Filter::bits - 1);

/// Weights are not negative and add up to one but for rounding, so no sum leaves the range of a byte.
std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(sum >> Filter::bits); }

/// Support of a filter that makes `scaled` pixels of `extent`.
double support_of(double scale) { return std::max(scale, 1.0); }

/// One row of pixels to one row of each plane, `stride` apart, mirrored if wished.
void filter_row(const std::uint8_t* row, int pixel_bytes, const Filter& filter, int out, bool flip, std::uint8_t* to,
                std::size_t stride) {
  for (int i = 0; i < out; ++i) {
    const std::uint8_t* from = row + static_cast<std::ptrdiff_t>(filter.begin(i)) * pixel_bytes;
    const std::int32_t* weight = filter.weights(i);
    Ints4 sum = {half, half, half, half};
    for (int tap = 0, count = filter.count(i); tap < count; ++tap, from += pixel_bytes) {
      sum += widened(from) * weight[tap];
    }
    const std::uint32_t packed = narrowed(sum >> Filter::bits);
    std::uint8_t* at = to + (flip ? out - 1 - i : i);
    at[0] = static_cast<std::uint8_t>(packed);
    at[stride] = static_cast<std::uint8_t>(packed >> 8);
    at[2 * stride] = static_cast<std::uint8_t>(packed >> 16);
  }
}

/// Weighted sum of rows of `width` bytes.
void filter_column(const std::uint8_t* rows, std::size_t stride, const std::int32_t* weight, int count, int width,
                   std::uint8_t* to) {
  constexpr int chunk = 32;
  int x = 0;
  for (; x + chunk <= width; x += chunk) {
    std::int32_t sum[chunk];
    std::fill_n(sum, chunk, half);
    for (int tap = 0; tap < count; ++tap) {
      const std::uint8_t* from = rows + static_cast<std::size_t>(tap) * stride + x;
      for (int i = 0; i < chunk; ++i) sum[i] += weight[tap] * from[i];
    }
    for (int i = 0; i < chunk; ++i) to[x + i] = to_byte(sum[i]);
  }
  for (; x < width; ++x) {
    std::int32_t sum = half;
    for (int tap = 0; tap < count; ++tap) sum += weight[tap] * rows[static_cast<std::size_t>(tap) * stride + x];
    to[x] = to_byte(sum);
  }
}

}  // namespace

Filter::Filter(const Source& source, int scaled, int offset, int out) {
  const double scale = source.extent / scaled, support = support_of(scale);
  taps_ = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  begin_.resize(static_cast<std::size_t>(out));
  count_.resize(static_cast<std::size_t>(out));
  weights_.assign(static_cast<std::size_t>(out) * taps_, 0);
  std::vector<double> exact(taps_);
  for (int i = 0; i < out; ++i) {
    const double centre = source.origin + (i + offset + 0.5) * scale;
    const int first = std::max(source.available.begin, static_cast<int>(std::floor(centre - support + 0.5)));
    const int count = std::min(source.available.end, static_cast<int>(std::floor(centre + support + 0.5))) - first;
    double total = 0;
    for (int tap = 0; tap < count; ++tap) {
      const double distance = std::abs((tap + first - centre + 0.5) / support);
      exact[static_cast<std::size_t>(tap)] = std::max(0.0, 1.0 - distance);
      total += exact[static_cast<std::size_t>(tap)];
    }
    begin_[static_cast<std::size_t>(i)] = first + source.shift;
    count_[static_cast<std::size_t>(i)] = count;
    for (int tap = 0; tap < count; ++tap) {
      const double share = total == 0 ? 0 : exact[static_cast<std::size_t>(tap)] / total;
      weights_[static_cast<std::size_t>(i) * taps_ + static_cast<std::size_t>(tap)] =
          static_cast<std::int32_t>(0.5 + share * (1 << bits));
    }
  }
}

Span Filter::span() const {
  Span span{begin_.front(), begin_.front() + count_.front()};
  for (std::size_t i = 0; i < begin_.size(); ++i) {
    span.begin = std::min(span.begin, begin_[i]);
    span.end = std::max(span.end, begin_[i] + count_[i]);
  }
  return span;
}

namespace {

/// The pixels that outputs from `offset` on look at, in pixels of the image.
Span needed_along(int begin, int extent, int scaled, int offset, int out) {
  const double scale = static_cast<double>(extent) / scaled, support = support_of(scale);
  const auto first = static_cast<int>((offset + 0.5) * scale - support + 0.5);
  const auto last = static_cast<int>((offset + out - 0.5) * scale + support + 0.5);
  return {begin + std::clamp(first, 0, extent), begin + std::clamp(last, 0, extent)};
}

/// `extent` pixels of an image from `begin` on, of which every `shrink` became one, in a strip of `count` pixels from `at` on. Where
/// nothing was shrunk the filter ends where the window does, as if that had been cut out first; else with the strip.
Filter::Source source_of(int begin, int extent, int shrink, int at, int count) {
  const int first = begin / shrink, shift = first - at;
  const Span available = shrink == 1 ? Span{0, extent} : Span{-shift, count - shift};
  return {static_cast<double>(begin) / shrink - first, static_cast<double>(extent) / shrink, available, shift};
}

}  // namespace

Region needed(const Window& window) {
  return {needed_along(window.left, window.width, window.scaled.width, window.offset_x, window.out.width),
          needed_along(window.top, window.height, window.scaled.height, window.offset_y, window.out.height)};
}

void resample_planes(const Pixels& pixels, const Window& window, int shrink, ResampleScratch& scratch,
                     std::uint8_t* planes) {
  const auto [width, height] = window.out;
  const Filter across(source_of(window.left, window.width, shrink, pixels.left, pixels.width), window.scaled.width,
                      window.offset_x, width);
  const Filter down(source_of(window.top, window.height, shrink, pixels.top, pixels.height), window.scaled.height,
                    window.offset_y, height);
  const Span rows = down.span();
  const auto row_width = static_cast<std::size_t>(width), row_bytes = 3 * row_width;
  scratch.rows.resize(static_cast<std::size_t>(rows.end - rows.begin) * row_bytes);
  for (int y = rows.begin; y < rows.end; ++y) {
    filter_row(pixels.data + static_cast<std::size_t>(y) * pixels.row_bytes, pixels.pixel_bytes, across, width,
               window.flip, scratch.rows.data() + static_cast<std::size_t>(y - rows.begin) * row_bytes, row_width);
  }
  const std::size_t plane = row_width * static_cast<std::size_t>(height);
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* from = scratch.rows.data() + static_cast<std::size_t>(down.begin(y) - rows.begin) * row_bytes;
    for (std::size_t c = 0; c < 3; ++c) {
      filter_column(from + c * row_width, row_bytes, down.weights(y), down.count(y), width,
                    planes + c * plane + static_cast<std::size_t>(y) * row_width);
    }
  }
}

}  // namespace s2sam::images
