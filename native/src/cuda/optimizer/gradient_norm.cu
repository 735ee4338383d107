// The norm of a gradient, in one pass. Bytes per parameter: 4 read (gradient), 4 more with weights, 1/8 with bits.

#include <algorithm>

#include "cuda/block.hpp"
#include "cuda/optimizer/arena.hpp"

namespace s2sam {

namespace {

/// The most blocks, and the elements each has at least; constants, so that the order of the sum, and with it the norm
/// to the last bit, is the same on every device.
constexpr std::int64_t most_blocks = 1024;
constexpr std::int64_t elements_per_block = 4096;

struct NormArguments {
  const float* gradient;
  const std::uint32_t* bits;  ///< or null
  const float* weights;       ///< or null
  std::int64_t count;
  bool aligned;
};

/// Squares are summed in double, where the square of a float is exact.
__device__ double sum_squares(const NormArguments& a) {
  double sum = 0.0;
  each_item(a.count / 4, [&](std::int64_t four) {
    const std::int64_t i = four * 4;
    const Four g = load_four(a.gradient + i, a.aligned);
    const Four w = a.weights != nullptr ? load_four(a.weights + i, a.aligned) : Four{1, 1, 1, 1};
    const unsigned keep = a.bits != nullptr ? keep_of_four(a.bits, i) : 0xFu;
    for (int k = 0; k < 4; ++k) {
      if ((keep >> k & 1u) == 0) continue;
      const double value = static_cast<double>(g.value[k]) * w.value[k];
      sum += value * value;
    }
  });
  return sum;
}

__global__ void gradient_norm_kernel(NormArguments a, double* of_block, unsigned* ticket, float* stats, int slot) {
  const double sum = block_sum(sum_squares(a));
  if (threadIdx.x == 0) of_block[blockIdx.x] = sum;
  if (!is_last_block(ticket)) return;
  double part = 0.0;
  for (unsigned block = threadIdx.x; block < gridDim.x; block += blockDim.x) part += of_block[block];
  const double total = block_sum(part);
  if (threadIdx.x == 0) stats[slot] = static_cast<float>(sqrt(total) * unscale(stats[ops::stat_loss_scale]));
}

}  // namespace

namespace ops {

void gradient_norm(Stream& stream, Tensor gradient, Tensor bits, Tensor weights, int slot, Tensor stats) {
  stream.submit("gradientNorm", [&](Op& op) {
    op.count({.bytes = bytes_of(gradient, bits, weights)});
    const std::int64_t count = gradient.shape.count();
    const auto blocks = static_cast<unsigned>(std::clamp<std::int64_t>(count / elements_per_block, 1, most_blocks));
    const NormArguments arguments{gradient.as<const float>(), bits.as<const std::uint32_t>(), weights.as<const float>(),
                                  count, is_aligned(gradient) && is_aligned(weights)};
    launch(op, gradient_norm_kernel, blocks, block_threads, arguments, op.scratch_of<double>(blocks), op.ticket(),
           stats.as<float>(), slot);
  });
}

}  // namespace ops

}  // namespace s2sam
