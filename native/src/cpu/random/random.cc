#include "s2sam/random.hpp"

#include <cmath>
#include <numbers>

#include "cpu/chunks.hpp"
#include "cpu/elementwise/convert.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

/// Writes draw(words, four floats) for the Philox counters of every four elements of y, in logical order.
template <class Draw>
void draw_all(Context& context, const Philox& philox, const Tensor& y, const Draw& draw) {
  const std::int64_t count = y.shape.count();
  Tensor plain{y.shape, DType::f32, Format::plain, 0, y.data};
  if (y.format != Format::plain) plain.data = context.scratch(static_cast<std::size_t>(count) * sizeof(float));
  parallel_chunks(context, count, [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin; i < end; i += 4) {
      float four[4];
      draw(philox(static_cast<std::uint32_t>(i / 4), 0, 0, 0).word, four);
      std::copy_n(four, std::min<std::ptrdiff_t>(4, end - i), plain.as<float>() + i);
    }
  });
  if (y.format != Format::plain) convert(context, plain, y);
}

/// Box and Muller's pair of normal numbers.
void normal_pair(const std::uint32_t* words, float mean, float std, float* two) {
  const double u = (static_cast<double>(words[0]) + 1.0) * 0x1p-32;
  const double angle = 2.0 * std::numbers::pi * (static_cast<double>(words[1]) * 0x1p-32);
  const double radius = std::sqrt(-2.0 * std::log(u));
  two[0] = static_cast<float>(radius * std::cos(angle) * std + mean);
  two[1] = static_cast<float>(radius * std::sin(angle) * std + mean);
}

}  // namespace

void random_uniform(Stream& stream, std::uint32_t key0, std::uint32_t key1, float lo, float hi, Tensor y) {
  stream.submit("randomUniform", [=](Context& context) {
    draw_all(context, Philox{{key0, key1}}, y, [=](const std::uint32_t* words, float* four) {
      for (int k = 0; k < 4; ++k) four[k] = unit_uniform(words[k]) * (hi - lo) + lo;
    });
  });
}

void random_normal(Stream& stream, std::uint32_t key0, std::uint32_t key1, float mean, float std, Tensor y) {
  stream.submit("randomNormal", [=](Context& context) {
    draw_all(context, Philox{{key0, key1}}, y, [=](const std::uint32_t* words, float* four) {
      normal_pair(words, mean, std, four);
      normal_pair(words + 2, mean, std, four + 2);
    });
  });
}

}  // namespace s2sam::ops
