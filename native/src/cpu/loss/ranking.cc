#include <algorithm>
#include <cmath>
#include <numeric>

#include "cpu/check_indices.hpp"
#include "cpu/stream.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

/// Whether element a of a row ranks before element b: larger first, then lower index; NaN last.
bool ranks_before(const float* row, std::int32_t a, std::int32_t b) {
  if (row[a] > row[b]) return true;
  if (row[a] < row[b]) return false;
  const bool a_nan = std::isnan(row[a]), b_nan = std::isnan(row[b]);
  return a_nan == b_nan ? a < b : b_nan;
}

/// Whether fewer than k elements rank before the label's. A NaN is never among the largest.
bool among_largest(const float* row, std::int64_t classes, std::int32_t label, int k) {
  if (std::isnan(row[label])) return false;
  int before = 0;
  for (std::int32_t other = 0; other < classes; ++other) before += ranks_before(row, other, label) ? 1 : 0;
  return before < k;
}

}  // namespace

void count_correct(Stream& stream, Tensor logits, Tensor labels, int k, Tensor count) {
  stream.submit("countCorrect", [=](Context&) {
    const std::int64_t samples = logits.shape[0], classes = logits.shape[1];
    check_indices("countCorrect", "labels", labels, classes);
    std::int64_t correct = 0;
    for (std::int64_t n = 0; n < samples; ++n) {
      const float* row = logits.as<const float>() + n * classes;
      correct += among_largest(row, classes, labels.as<const std::int32_t>()[n], k) ? 1 : 0;
    }
    *count.as<float>() = static_cast<float>(correct);
  });
}

void top_k(Stream& stream, Tensor x, int k, Tensor values, Tensor indices) {
  stream.submit("topK", [=](Context& context) {
    const std::int64_t samples = x.shape[0], classes = x.shape[1];
    auto* order = static_cast<std::int32_t*>(context.scratch(static_cast<std::size_t>(classes) * sizeof(std::int32_t)));
    for (std::int64_t n = 0; n < samples; ++n) {
      const float* row = x.as<const float>() + n * classes;
      std::iota(order, order + classes, 0);
      std::partial_sort(order, order + k, order + classes,
                        [row](std::int32_t a, std::int32_t b) { return ranks_before(row, a, b); });
      for (int j = 0; j < k; ++j) {
        values.as<float>()[n * k + j] = row[order[j]];
        indices.as<std::int32_t>()[n * k + j] = order[j];
      }
    }
  });
}

}  // namespace s2sam::ops
