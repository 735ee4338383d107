#include <algorithm>

#include "cpu/chunks.hpp"
#include "cpu/layout.hpp"
#include "s2sam/ops.hpp"
#include "s2sam/random.hpp"

namespace s2sam::ops {

void dropout(Stream& stream, Tensor x, Tensor clock, float p, std::uint32_t key0, std::uint32_t key1, Tensor y) {
  stream.submit("dropout", [=](Context& context) {
    context.count({.bytes = bytes_of(x, y)});
    const Philox philox{{key0, key1}};
    const auto time = static_cast<std::uint32_t>(*clock.as<const std::int32_t>());
    const float scale = 1.0F / (1.0F - p);
    const std::int64_t count = x.shape.count();
    const auto* from = x.as<const float>();
    auto* to = y.as<float>();
    const std::int64_t fours = (count + 3) / 4;
    parallel_chunks(context, fours, [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
      for (std::ptrdiff_t i = begin; i < end; ++i) {
        const auto words = philox(static_cast<std::uint32_t>(i), 0, time, 0);
        const std::ptrdiff_t last = std::min<std::ptrdiff_t>(4, count - 4 * i);
        for (std::ptrdiff_t k = 0; k < last; ++k) {
          to[4 * i + k] = unit_uniform(words.word[k]) < p ? 0.0F : from[4 * i + k] * scale;
        }
      }
    });
  });
}

}  // namespace s2sam::ops
