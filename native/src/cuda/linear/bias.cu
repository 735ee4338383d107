#include "cuda/linear/bias.hpp"

#include "cuda/half.hpp"
#include "cuda/launch.hpp"

namespace s2sam::linear {

namespace {

constexpr int columns = 32;  // of a block, so that rows are read in whole sectors
constexpr int lanes = 16;    // threads that share a column

template <class T>
__global__ void spread(std::int64_t count, int features, const float* __restrict__ bias, T* __restrict__ y) {
  each_item(count, [=](std::int64_t i) { y[i] = from_float<T>(bias[i % features]); });
}

template <class T>
__global__ void sum(std::int64_t samples, int features, const T* __restrict__ dy, bool add, float* __restrict__ db) {
  __shared__ double sums[lanes][columns];
  const int column = static_cast<int>(threadIdx.x), lane = static_cast<int>(threadIdx.y);
  const int feature = static_cast<int>(blockIdx.x) * columns + column;
  double total = 0;
  if (feature < features) {
    for (std::int64_t n = lane; n < samples; n += lanes) total += to_float(dy[n * features + feature]);
  }
  sums[lane][column] = total;
  __syncthreads();
  if (lane > 0 || feature >= features) return;
  for (int i = 1; i < lanes; ++i) total += sums[i][column];
  db[feature] = static_cast<float>(add ? db[feature] + total : total);
}

}  // namespace

void spread_bias(const Op& op, const Tensor& bias, const Tensor& y) {
  const std::int64_t count = y.shape.count();
  with_float_type(y.dtype, [&](auto type) {
    using T = decltype(type);
    launch(op, spread<T>, blocks_for(op, count), block_threads, count, static_cast<int>(y.shape[1]), bias.as<const float>(),
           y.as<T>());
  });
}

void sum_columns(const Op& op, const Tensor& dy, bool accumulate, const Tensor& db) {
  const int features = static_cast<int>(dy.shape[1]);
  const auto blocks = static_cast<unsigned>((features + columns - 1) / columns);
  with_float_type(dy.dtype, [&](auto type) {
    using T = decltype(type);
    launch(op, sum<T>, blocks, dim3(columns, lanes), dy.shape[0], features, dy.as<const T>(), accumulate, db.as<float>());
  });
}

}  // namespace s2sam::linear
