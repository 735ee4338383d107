#include "cuda/half.hpp"
#include "cuda/launch.hpp"
#include "s2sam/ops.hpp"
#include "s2sam/random.hpp"

namespace s2sam::ops {

namespace {

/// Four elements for each counter.
template <class T>
__global__ void dropout_kernel(Philox philox, const std::int32_t* clock, float p, float scale, std::int64_t count,
                               const T* x, T* y) {
  const auto time = static_cast<std::uint32_t>(*clock);
  each_item((count + 3) / 4, [&](std::int64_t i) {
    const auto words = philox(static_cast<std::uint32_t>(i), 0, time, 0);
    for (int k = 0; k < 4; ++k) {
      const std::int64_t at = 4 * i + k;
      if (at >= count) break;
      y[at] = from_float<T>(unit_uniform(words.word[k]) < p ? 0.0F : to_float(x[at]) * scale);
    }
  });
}

}  // namespace

void dropout(Stream& stream, Tensor x, Tensor clock, float p, std::uint32_t key0, std::uint32_t key1, Tensor y) {
  stream.submit("dropout", [&](const Op& op) {
    op.count({.bytes = bytes_of(x, y)});
    const std::int64_t count = x.shape.count();
    with_float_type(y.dtype, [&](auto zero) {
      using T = decltype(zero);
      launch(op, dropout_kernel<T>, blocks_for(op, (count + 3) / 4), block_threads, Philox{{key0, key1}},
             clock.as<const std::int32_t>(), p, 1.0F / (1.0F - p), count, x.as<const T>(), y.as<T>());
    });
  });
}

}  // namespace s2sam::ops
