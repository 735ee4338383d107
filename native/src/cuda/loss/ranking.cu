#include "cuda/block.hpp"
#include "cuda/check_indices.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

__device__ bool is_nan(float x) { return x != x; }

/// Whether element a of a row ranks before element b: larger first, then lower index; NaN last.
__device__ bool ranks_before(const float* row, std::int64_t a, std::int64_t b) {
  if (row[a] > row[b]) return true;
  if (row[a] < row[b]) return false;
  const bool a_nan = is_nan(row[a]), b_nan = is_nan(row[b]);
  return a_nan == b_nan ? a < b : b_nan;
}

/// How many elements of a row of n rank before the given one, counted by one warp for all its lanes.
__device__ std::int64_t rank_of(const float* row, std::int64_t n, std::int64_t element) {
  int before = 0;
  for (std::int64_t first = 0; first < n; first += warp_threads) {
    const std::int64_t other = first + threadIdx.x % warp_threads;
    before += __popc(__ballot_sync(0xFFFFFFFFu, other < n && ranks_before(row, other, element)));
  }
  return before;
}

/// A warp for each sample; the last block sums up.
__global__ void count_correct_kernel(const float* logits, Indices labels, int k, int* of_block, unsigned* ticket,
                                     float* count) {
  const std::int64_t classes = labels.limit;
  labels.check();
  int correct = 0;
  each_warp_item(labels.count, [&](std::int64_t n) {
    if (!labels.good(n)) return;
    const float* row = logits + n * classes;
    const std::int64_t label = labels.index[n];
    const bool among_largest = rank_of(row, classes, label) < k && !is_nan(row[label]);
    if (threadIdx.x % warp_threads == 0 && among_largest) ++correct;
  });
  correct = block_sum(correct);
  if (threadIdx.x == 0) of_block[blockIdx.x] = correct;
  if (!is_last_block(ticket)) return;
  int total = 0;
  for (unsigned i = threadIdx.x; i < gridDim.x; i += block_threads) total += of_block[i];
  total = block_sum(total);
  if (threadIdx.x == 0) *count = static_cast<float>(total);
}

/// A thread for each element, which finds its own place.
__global__ void top_k_kernel(const float* x, std::int64_t rows, std::int64_t size, int k, float* values,
                             std::int32_t* indices) {
  each_item(rows * size, [&](std::int64_t i) {
    const float* row = x + i / size * size;
    const std::int64_t element = i % size;
    std::int64_t place = 0;
    for (std::int64_t other = 0; other < size; ++other) place += ranks_before(row, other, element) ? 1 : 0;
    if (place >= k) return;
    values[i / size * k + place] = row[element];
    indices[i / size * k + place] = static_cast<std::int32_t>(element);
  });
}

}  // namespace

void count_correct(Stream& stream, Tensor logits, Tensor labels, int k, Tensor count) {
  constexpr const char* name = "countCorrect";
  stream.submit(name, [&](const Op& op) {
    const std::int64_t samples = logits.shape[0], classes = logits.shape[1];
    const Indices checked{name, "labels", labels.as<const std::int32_t>(), samples, classes, op.faults()};
    const unsigned blocks = blocks_for(op, samples, block_warps);
    launch(op, count_correct_kernel, blocks, block_threads, logits.as<const float>(), checked, k,
           op.scratch_of<int>(blocks), op.ticket(),
           count.as<float>());
  });
}

void top_k(Stream& stream, Tensor x, int k, Tensor values, Tensor indices) {
  stream.submit("topK", [&](const Op& op) {
    launch(op, top_k_kernel, blocks_for(op, x.shape.count()), block_threads, x.as<const float>(), x.shape[0],
           x.shape[1], k,
           values.as<float>(), indices.as<std::int32_t>());
  });
}

}  // namespace s2sam::ops
