#include <cmath>
#include <limits>

#include "cuda/block.hpp"
#include "cuda/check_indices.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

constexpr float lowest = -std::numeric_limits<float>::infinity();

template <class T, class Join>
__device__ T warp_join(T value, const Join& join) {
  for (int lanes = warp_threads / 2; lanes > 0; lanes /= 2) value = join(value,
                                                                         __shfl_xor_sync(0xFFFFFFFFu, value, lanes));
  return value;
}

/// Writes the probabilities of one sample by one warp, returns its loss to all lanes.
__device__ double sample_loss(const float* logits, std::int64_t classes, std::int64_t label, double smoothing,
                              float* probabilities) {
  const auto lane = static_cast<std::int64_t>(threadIdx.x % warp_threads);
  const auto add = [](double a, double b) { return a + b; };
  float largest = lowest;
  for (std::int64_t k = lane; k < classes; k += warp_threads) largest = fmaxf(largest, logits[k]);
  largest = warp_join(largest, [](float a, float b) { return fmaxf(a, b); });

  double partition = 0.0, shifted_sum = 0.0;
  for (std::int64_t k = lane; k < classes; k += warp_threads) {
    const float shifted = logits[k] - largest;
    const float power = expf(shifted);
    probabilities[k] = power;
    partition += static_cast<double>(power);
    shifted_sum += static_cast<double>(shifted);
  }
  partition = warp_join(partition, add);
  shifted_sum = warp_join(shifted_sum, add);

  const auto inverse = static_cast<float>(1.0 / partition);
  for (std::int64_t k = lane; k < classes; k += warp_threads) probabilities[k] *= inverse;
  const double log_partition = log(partition);
  const double own = log_partition - static_cast<double>(logits[label] - largest);
  const double mean = log_partition - shifted_sum / static_cast<double>(classes);
  return smoothing == 0.0 ? own : (1.0 - smoothing) * own + smoothing * mean;
}

/// A warp for each sample; the last block sums up.
__global__ void forward_kernel(const float* logits, Indices labels, double smoothing, float* probabilities,
                               double* of_sample,
                               unsigned* ticket, float* loss) {
  const std::int64_t samples = labels.count, classes = labels.limit;
  labels.check();
  each_warp_item(samples, [&](std::int64_t n) {
    const std::int64_t label = labels.good(n) ? labels.index[n] : 0;
    const double value = sample_loss(logits + n * classes, classes, label, smoothing, probabilities + n * classes);
    if (threadIdx.x % warp_threads == 0) of_sample[n] = value;
  });
  if (!is_last_block(ticket)) return;
  double total = 0.0;
  for (std::int64_t n = threadIdx.x; n < samples; n += block_threads) total += of_sample[n];
  total = block_sum(total);
  if (threadIdx.x == 0) *loss = static_cast<float>(total / static_cast<double>(samples));
}

/// dlogits may be the probabilities.
__global__ void backward_kernel(const float* probabilities, Indices labels, const float* dloss, float smoothing,
                                float* dlogits) {
  const std::int64_t samples = labels.count, classes = labels.limit;
  labels.check();
  const float scale = *dloss / static_cast<float>(samples);
  const float others = smoothing / static_cast<float>(classes);
  const float own = 1.0F - smoothing + others;
  each_item(samples * classes, [&](std::int64_t i) {
    const bool at_label = labels.index[i / classes] == i % classes;
    dlogits[i] = (probabilities[i] - (at_label ? own : others)) * scale;
  });
}

}  // namespace

void softmax_cross_entropy_forward(Stream& stream, Tensor logits, Tensor labels, float smoothing, Tensor loss,
                                   Tensor probabilities) {
  constexpr const char* name = "softmaxCrossEntropy";
  stream.submit(name, [&](const Op& op) {
    const std::int64_t samples = logits.shape[0], classes = logits.shape[1];
    const Indices checked{name, "labels", labels.as<const std::int32_t>(), samples, classes, op.faults()};
    launch(op, forward_kernel, blocks_for(op, samples, block_warps), block_threads, logits.as<const float>(), checked,
           static_cast<double>(smoothing), probabilities.as<float>(), op.scratch_of<double>(samples),
           op.ticket(), loss.as<float>());
  });
}

void softmax_cross_entropy_backward(Stream& stream, Tensor probabilities, Tensor labels, Tensor dloss, float smoothing,
                                    Tensor dlogits) {
  constexpr const char* name = "softmaxCrossEntropyBackward";
  stream.submit(name, [&](const Op& op) {
    const std::int64_t samples = probabilities.shape[0], classes = probabilities.shape[1];
    const Indices checked{name, "labels", labels.as<const std::int32_t>(), samples, classes, op.faults()};
    launch(op, backward_kernel, blocks_for(op, samples * classes), block_threads, probabilities.as<const float>(),
           checked,
           dloss.as<const float>(), smoothing, dlogits.as<float>());
  });
}

}  // namespace s2sam::ops
