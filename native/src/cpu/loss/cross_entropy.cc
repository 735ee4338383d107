#include <algorithm>
#include <cmath>

#include "cpu/check_indices.hpp"
#include "cpu/chunks.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

/// Writes the probabilities of one sample, returns its loss.
double forward_row(const float* logits, std::int64_t classes, std::int64_t label, double smoothing,
                   float* probabilities) {
  const float largest = *std::max_element(logits, logits + classes);
  double partition = 0.0, shifted_sum = 0.0;
  for (std::int64_t k = 0; k < classes; ++k) {
    const float shifted = logits[k] - largest;
    probabilities[k] = std::exp(shifted);
    partition += probabilities[k];
    shifted_sum += shifted;
  }
  const auto inverse = static_cast<float>(1.0 / partition);
  for (std::int64_t k = 0; k < classes; ++k) probabilities[k] *= inverse;
  const double log_partition = std::log(partition);
  const double own = log_partition - (logits[label] - largest);
  const double mean = log_partition - shifted_sum / static_cast<double>(classes);
  return smoothing == 0.0 ? own : (1.0 - smoothing) * own + smoothing * mean;
}

}  // namespace

void softmax_cross_entropy_forward(Stream& stream, Tensor logits, Tensor labels, float smoothing, Tensor loss,
                                   Tensor probabilities) {
  stream.submit("softmaxCrossEntropy", [=](Context& context) {
    const std::int64_t samples = logits.shape[0], classes = logits.shape[1];
    check_indices("softmaxCrossEntropy", "labels", labels, classes);
    auto* of_sample = static_cast<double*>(context.scratch(static_cast<std::size_t>(samples) * sizeof(double)));
    parallel_items(context, samples, classes, [&](std::ptrdiff_t n) {
      of_sample[n] = forward_row(logits.as<const float>() + n * classes, classes, labels.as<const std::int32_t>()[n],
                                 smoothing, probabilities.as<float>() + n * classes);
    });
    double total = 0.0;
    for (std::int64_t n = 0; n < samples; ++n) total += of_sample[n];
    *loss.as<float>() = static_cast<float>(total / static_cast<double>(samples));
  });
}

void softmax_cross_entropy_backward(Stream& stream, Tensor probabilities, Tensor labels, Tensor dloss, float smoothing,
                                    Tensor dlogits) {
  stream.submit("softmaxCrossEntropyBackward", [=](Context& context) {
    const std::int64_t samples = probabilities.shape[0], classes = probabilities.shape[1];
    check_indices("softmaxCrossEntropyBackward", "labels", labels, classes);
    const float scale = *dloss.as<const float>() / static_cast<float>(samples);
    const float others = smoothing / static_cast<float>(classes);
    const float own = 1.0F - smoothing + others;
    parallel_items(context, samples, classes, [&](std::ptrdiff_t n) {
      const float* p = probabilities.as<const float>() + n * classes;
      float* d = dlogits.as<float>() + n * classes;
      const std::int64_t label = labels.as<const std::int32_t>()[n];
      const float at_label = (p[label] - own) * scale;  // before the loop: d may be p
      for (std::int64_t k = 0; k < classes; ++k) d[k] = (p[k] - others) * scale;
      d[label] = at_label;
    });
  });
}

}  // namespace s2sam::ops
