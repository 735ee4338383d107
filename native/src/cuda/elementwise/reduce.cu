#include <cmath>
#include <limits>

#include "cuda/block.hpp"
#include "cuda/half.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

// How each reduction starts, takes an element and joins two results.
struct Sum {
  static constexpr double start = 0.0;
  __device__ static double take(double total, float x) { return total + static_cast<double>(x); }
  __device__ static double join(double a, double b) { return a + b; }
};
struct SumSquares : Sum {
  __device__ static double take(double total, float x) {
    return total + static_cast<double>(x) * static_cast<double>(x);
  }
};
struct CountNonzero : Sum {
  __device__ static double take(double total, float x) { return total + (x != 0.0F ? 1.0 : 0.0); }
};
// NaN wins, as in PyTorch.
struct Max {
  static constexpr double start = -std::numeric_limits<double>::infinity();
  __device__ static double take(double best, float x) { return join(best, static_cast<double>(x)); }
  __device__ static double join(double a, double b) { return b > a || b != b ? b : a; }
};
struct Min {
  static constexpr double start = std::numeric_limits<double>::infinity();
  __device__ static double take(double best, float x) { return join(best, static_cast<double>(x)); }
  __device__ static double join(double a, double b) { return b < a || b != b ? b : a; }
};

/// The results of all threads joined, in an order that never changes; every thread gets it.
template <class F>
__device__ double block_join(double value) {
  __shared__ double of_warp[block_warps];
  for (int lanes = warp_threads / 2; lanes > 0; lanes /= 2) value = F::join(value,
                                                                            __shfl_xor_sync(0xFFFFFFFFu, value, lanes));
  if (threadIdx.x % warp_threads == 0) of_warp[threadIdx.x / warp_threads] = value;
  __syncthreads();
  double total = of_warp[0];
  for (int warp = 1; warp < block_warps; ++warp) total = F::join(total, of_warp[warp]);
  __syncthreads();
  return total;
}

/// x[begin, end) by one block. Four results side by side in each thread, so that loads need not wait for each other.
template <class F, class T>
__device__ double block_reduce(const T* x, std::int64_t begin, std::int64_t end) {
  constexpr int chains = 4;
  double part[chains];
  for (double& value : part) value = F::start;
  std::int64_t i = begin + threadIdx.x;
  for (; i + (chains - 1) * block_threads < end; i += chains * block_threads) {
    for (int k = 0; k < chains; ++k) part[k] = F::take(part[k], to_float(x[i + k * block_threads]));
  }
  for (; i < end; i += block_threads) part[0] = F::take(part[0], to_float(x[i]));
  for (int k = 1; k < chains; ++k) part[0] = F::join(part[0], part[k]);
  return block_join<F>(part[0]);
}

/// One block each: what is summed, and in which order, depends on the number of elements alone.
constexpr std::int64_t piece = 32 * block_threads;

template <class F, class T>
__global__ void reduce_kernel(const T* x, std::int64_t count, double divisor, double* of_block, unsigned* ticket,
                              float* y) {
  const std::int64_t begin = blockIdx.x * piece;
  const double value = block_reduce<F>(x, begin, min(begin + piece, count));
  if (threadIdx.x == 0) of_block[blockIdx.x] = value;
  if (!is_last_block(ticket)) return;
  double total = F::start;
  for (unsigned i = threadIdx.x; i < gridDim.x; i += block_threads) total = F::join(total, of_block[i]);
  total = block_join<F>(total);
  if (threadIdx.x == 0) *y = static_cast<float>(total / divisor);
}

template <class F>
__global__ void reduce_rows_kernel(const float* x, std::int64_t rows, std::int64_t size, double divisor, float* y) {
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const double total = block_reduce<F>(x + row * size, 0, size);
    if (threadIdx.x == 0) y[row] = static_cast<float>(total / divisor);
  }
}

/// Calls body(F{}, divisor) for the reduction over `count` elements.
template <class Body>
void with_reduction(Reduce what, std::int64_t count, const Body& body) {
  switch (what) {
    case Reduce::sum: return body(Sum{}, 1.0);
    case Reduce::mean: return body(Sum{}, static_cast<double>(count));
    case Reduce::max: return body(Max{}, 1.0);
    case Reduce::min: return body(Min{}, 1.0);
    case Reduce::sum_squares: return body(SumSquares{}, 1.0);
    case Reduce::count_nonzero: return body(CountNonzero{}, 1.0);
  }
}

}  // namespace

void reduce(Stream& stream, Reduce what, Tensor x, Tensor y) {
  stream.submit("reduce", [&](const Op& op) {
    const std::int64_t count = x.shape.count(), blocks = (count + piece - 1) / piece;
    auto* of_block = op.scratch_of<double>(blocks);
    with_float_type(x.dtype, [&](auto zero) {
      using T = decltype(zero);
      with_reduction(what, count, [&](auto reduction, double divisor) {
        launch(op, reduce_kernel<decltype(reduction), T>, static_cast<unsigned>(blocks), block_threads, x.as<const T>(),
               count, divisor,
               of_block, op.ticket(), y.as<float>());
      });
    });
  });
}

void reduce_rows(Stream& stream, Reduce what, Tensor x, Tensor y) {
  stream.submit("reduceRows", [&](const Op& op) {
    const std::int64_t rows = x.shape[0], size = x.shape.count() / rows;
    with_reduction(what, size, [&](auto reduction, double divisor) {
      launch(op, reduce_rows_kernel<decltype(reduction)>, blocks_for(op, rows, 1), block_threads, x.as<const float>(),
             rows, size, divisor,
             y.as<float>());
    });
  });
}

}  // namespace s2sam::ops
