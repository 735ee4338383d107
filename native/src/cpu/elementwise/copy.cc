#include <algorithm>
#include <cstring>

#include "cpu/elementwise/convert.hpp"
#include "cpu/elementwise/map_rows.hpp"
#include "s2sam/ops.hpp"

namespace s2sam {

namespace {

constexpr int lanes = ActivationLayout::lanes;

void copy_plain(Context& context, const Tensor& x, const Tensor& y) {
  const auto size = static_cast<std::ptrdiff_t>(size_of(x.dtype));
  parallel_chunks(context, x.shape.count(), [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
    std::memcpy(y.as<char>() + begin * size, x.as<const char>() + begin * size,
                static_cast<std::size_t>((end - begin) * size));
  });
}

void plain_to_activation(Context& context, const Tensor& x, const Tensor& y) {
  const ActivationLayout to(y);
  const std::int64_t image = to.c * to.h * to.w;
  parallel_planes(context, to, [&](std::int64_t block, std::int64_t channel) {
    clear_border(to, y.as<float>(), block, channel);
    const int live = to.live_lanes(block);
    for (std::int64_t r = 0; r < to.h; ++r) {
      const float* from = x.as<const float>() + block * lanes * image + (channel * to.h + r) * to.w;
      float* row = y.as<float>() + to.at(block, channel, r);
      for (int lane = 0; lane < live; ++lane) {
        for (std::int64_t col = 0; col < to.w; ++col) row[col * lanes + lane] = from[lane * image + col];
      }
      clear_dead_lanes(row, to.w, live);
    }
  });
}

void activation_to_plain(Context& context, const Tensor& x, const Tensor& y) {
  const ActivationLayout from(x);
  const std::int64_t image = from.c * from.h * from.w;
  parallel_planes(context, from, [&](std::int64_t block, std::int64_t channel) {
    const int live = from.live_lanes(block);
    for (std::int64_t r = 0; r < from.h; ++r) {
      const float* row = x.as<const float>() + from.at(block, channel, r);
      float* to = y.as<float>() + block * lanes * image + (channel * from.h + r) * from.w;
      for (int lane = 0; lane < live; ++lane) {
        for (std::int64_t col = 0; col < from.w; ++col) to[lane * image + col] = row[col * lanes + lane];
      }
    }
  });
}

}  // namespace

void convert(Context& context, const Tensor& x, const Tensor& y) {
  const bool from_plain = x.format == Format::plain, to_plain = y.format == Format::plain;
  if (from_plain && to_plain) return copy_plain(context, x, y);
  if (from_plain) return plain_to_activation(context, x, y);
  if (to_plain) return activation_to_plain(context, x, y);
  map_rows<1>(context, {x}, y, [](float* to, const float* const* from, std::ptrdiff_t count) {
    std::copy_n(from[0], count, to);
  });
}

void ops::copy(Stream& stream, Tensor x, Tensor y) {
  stream.submit("copy", [=](Context& context) { convert(context, x, y); });
}

}  // namespace s2sam
