#include <cmath>

#include "cuda/norm/channel_sums.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

using namespace norm;

namespace {

/// What becomes of the statistics of a batch, each [C]; the running ones may be null.
struct Statistics {
  double eps;
  float momentum;
  float *saved_mean, *saved_inv_std, *running_mean, *running_var;

  __device__ void finish(std::int64_t channel, double count, double sum, double squares) const {
    const double mean = sum / count;
    const double rest = squares - sum * mean;
    const double deviations = rest < 0.0 ? 0.0 : rest;  // NaN stays NaN, where max would take the number
    saved_mean[channel] = static_cast<float>(mean);
    saved_inv_std[channel] = static_cast<float>(1.0 / sqrt(deviations / count + eps));
    if (running_mean == nullptr) return;
    update(running_mean[channel], mean);
    update(running_var[channel], deviations / max(count - 1.0, 1.0));
  }
  __device__ void update(float& running, double value) const {
    running = (1.0F - momentum) * running + momentum * static_cast<float>(value);
  }
};

/// Each thread takes deviations from its own first row, in f32, so that their squares lose nothing beside a large mean;
/// what it hands on are the sums of x and x^2 in double, whose 53 bits have room for both.
template <class T, int n>
__global__ void __launch_bounds__(block_threads, ChannelGrid::blocks_per_processor) statistics_kernel(const T* x, ChannelGrid grid, Statistics statistics) {
  constexpr int depth = 16 / static_cast<int>(sizeof(T));
  const auto gather = [&](std::int64_t channel, std::int64_t begin, std::int64_t end, int step,
                          double (&value)[2 * n]) {
    if (begin >= end) return;
    const auto load = [&](std::int64_t row) { return load_chunk<n>(x + row * grid.channels + channel); };
    const Chunk<T, n> shift = load(begin);
    float sum[n]{}, squares[n]{};
    each_ahead<depth>(begin, end, step, load, [&](const Chunk<T, n>& in) {
      for (int k = 0; k < n; ++k) {
        const float deviation = in.at(k) - shift.at(k);
        sum[k] += deviation;
        squares[k] += deviation * deviation;
      }
    });
    const auto count = static_cast<double>((end - begin + step - 1) / step);
    for (int k = 0; k < n; ++k) {
      const auto from = static_cast<double>(shift.at(k)), deviations = static_cast<double>(sum[k]);
      value[k] = deviations + count * from;
      value[n + k] = static_cast<double>(squares[k]) + from * (2.0 * deviations + count * from);
    }
  };
  channel_sums<n>(grid, gather, [&](std::int64_t channel, double sum, double squares) {
    statistics.finish(channel, static_cast<double>(grid.rows), sum, squares);
  });
}

__global__ void running_statistics_kernel(const float* mean, const float* var, double eps, std::int64_t channels,
                                          float* saved_mean,
                                          float* saved_inv_std) {
  each_item(channels, [&](std::int64_t c) {
    saved_mean[c] = mean[c];
    saved_inv_std[c] = static_cast<float>(1.0 / sqrt(static_cast<double>(var[c]) + eps));
  });
}

struct Affine {
  const float *mean, *inv_std, *gamma, *beta;
};

/// y = relu?((x - mean) * gamma * inv_std + beta + other?), and which of them are more than 0.
template <class T, bool relu, bool residual>
__global__ void __launch_bounds__(block_threads, walk_blocks_at_once<T>) normalise_kernel(const T* x, const T* other, Span span, std::int64_t channels, Affine affine, T* y,
                                 std::uint8_t* passed) {
  struct Loaded {
    std::int64_t chunk;
    Chunk<T> x, other;
  };
  const Walk walk(channels);
  if (walk.chunk >= span.chunks()) return;
  const OfChannels mean(affine.mean, walk.channel, channels), inv_std(affine.inv_std, walk.channel, channels);
  const OfChannels gamma(affine.gamma, walk.channel, channels), beta(affine.beta, walk.channel, channels);

  const auto load = [&](std::int64_t chunk, auto whole) {
    Loaded in{chunk, span.load<whole>(x, chunk), {}};
    if constexpr (residual) in.other = span.load<whole>(other, chunk);
    return in;
  };
  each_ahead<2>(walk.chunk, span.whole_chunks(), span.chunks(), walk.step, load, [&](const Loaded& in, auto whole) {
    Chunk<T> out;
    unsigned bits = 0;
    for (int k = 0; k < chunk_size; ++k) {
      float value = (in.x.at(k) - mean[k]) * (gamma[k] * inv_std[k]) + beta[k];
      if constexpr (residual) value += in.other.at(k);
      if constexpr (relu) value = value < 0.0F ? 0.0F : value;
      out.set(k, value);
      bits |= out.at(k) > 0.0F ? 1u << k : 0u;
    }
    span.store<whole>(out, y, in.chunk);
    if (relu && passed != nullptr) passed[in.chunk] = static_cast<std::uint8_t>(bits);
  });
}

void normalise(const Op& op, const Tensor& x, const Tensor& residual, const Affine& affine, bool relu, const Tensor& y,
               const Tensor& passed) {
  with_float_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto enqueue = [&](auto kernel) {
      launch(op, kernel, walk_blocks<T>(op, x), block_threads, x.as<const T>(), residual.as<const T>(),
             Span{x.shape.count()}, x.shape[1],
             affine, y.as<T>(), passed.as<std::uint8_t>());
    };
    if (relu) return residual ? enqueue(normalise_kernel<T, true, true>) : enqueue(normalise_kernel<T, true, false>);
    residual ? enqueue(normalise_kernel<T, false, true>) : enqueue(normalise_kernel<T, false, false>);
  });
}

Affine affine_of(const Tensor& gamma, const Tensor& beta, const Tensor& mean, const Tensor& inv_std) {
  return {mean.as<const float>(), inv_std.as<const float>(), gamma.as<const float>(), beta.as<const float>()};
}

}  // namespace

/// A byte for every chunk.
std::int64_t passed_bytes(const Tensor& x) { return Span{x.shape.count()}.chunks(); }

void batch_norm_train(Stream& stream, Tensor x, Tensor gamma, Tensor beta, Tensor residual, Tensor running_mean,
                      Tensor running_var,
                      BatchNorm options, Tensor y, Tensor saved_mean, Tensor saved_inv_std, Tensor passed) {
  stream.submit("batchNormTrain", [&](const Op& op) {
    op.count({.bytes = bytes_of(x, residual, y, passed)});
    const Statistics statistics{static_cast<double>(options.eps), options.momentum,         saved_mean.as<float>(),
                                saved_inv_std.as<float>(),        running_mean.as<float>(), running_var.as<float>()};
    with_channels(x, [&](auto zero, auto size) {
      using T = decltype(zero);
      constexpr int n = decltype(size)::value;
      const ChannelGrid grid = channel_grid<n>(op, x);
      launch(op, statistics_kernel<T, n>, grid.blocks(), block_threads, x.as<const T>(), grid, statistics);
    });
    normalise(op, x, residual, affine_of(gamma, beta, saved_mean, saved_inv_std), options.relu, y, passed);
  });
}

void batch_norm_eval(Stream& stream, Tensor x, Tensor gamma, Tensor beta, Tensor residual, Tensor running_mean,
                     Tensor running_var,
                     BatchNorm options, Tensor y, Tensor saved_mean, Tensor saved_inv_std, Tensor passed) {
  stream.submit("batchNormEval", [&](const Op& op) {
    op.count({.bytes = bytes_of(x, residual, y, passed)});
    const std::int64_t channels = x.shape[1];
    launch(op, running_statistics_kernel, blocks_for(op, channels), block_threads, running_mean.as<const float>(),
           running_var.as<const float>(), static_cast<double>(options.eps), channels,
           saved_mean.as<float>(), saved_inv_std.as<float>());
    normalise(op, x, residual, affine_of(gamma, beta, saved_mean, saved_inv_std), options.relu, y, passed);
  });
}

}  // namespace s2sam::ops
