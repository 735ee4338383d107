#include "cuda/norm/channel_sums.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

using namespace norm;

namespace {

/// What the ReLU let pass, as the forward pass noted it, or else as y shows.
template <class T>
struct Gate {
  const std::uint8_t* passed;
  const T* y;

  /// Bit k for element first + k, of n that lie in one byte.
  template <int n>
  __device__ unsigned bits(std::int64_t first) const {
    if (passed != nullptr) return passed[first / chunk_size] >> first % chunk_size;
    const Chunk<T, n> out = load_chunk<n>(y + first);
    unsigned bits = 0;
    for (int k = 0; k < n; ++k) bits |= out.at(k) > 0.0F ? 1u << k : 0u;
    return bits;
  }
  /// Of a chunk.
  __device__ unsigned bits(const Span& span, std::int64_t chunk) const {
    if (passed != nullptr) return passed[chunk];
    const Chunk<T> out = span.load(y, chunk);
    unsigned bits = 0;
    for (int k = 0; k < chunk_size; ++k) bits |= out.at(k) > 0.0F ? 1u << k : 0u;
    return bits;
  }
};

/// Of each channel: dx = dz * scale + (x - mean) * slope + shift, where dz is dy as far as the ReLU lets it pass.
struct Lines {
  float *scale, *slope, *shift;
};

/// What becomes of the two sums of a channel, of dz and of dz * (x - mean); each [C].
struct ChannelGradients {
  const float *gamma, *inv_std;
  bool training, accumulate;
  float *dgamma, *dbeta;
  Lines lines;

  __device__ void finish(std::int64_t channel, double count, double sum, double product) const {
    const auto inverse = static_cast<double>(inv_std[channel]);
    dgamma[channel] = (accumulate ? dgamma[channel] : 0.0F) + static_cast<float>(product * inverse);
    dbeta[channel] = (accumulate ? dbeta[channel] : 0.0F) + static_cast<float>(sum);
    const double scale = static_cast<double>(gamma[channel]) * inverse;
    const double share = training ? scale / count : 0.0;  // in evaluation the statistics are constants
    lines.scale[channel] = static_cast<float>(scale);
    lines.slope[channel] = static_cast<float>(-share * inverse * inverse * product);
    lines.shift[channel] = static_cast<float>(-share * sum);
  }
};

template <class T, int n, bool relu>
__global__ void sums_kernel(const T* dy, const T* x, Gate<T> gate, const float* mean, ChannelGrid grid,
                            ChannelGradients gradients) {
  constexpr int depth = 8 / static_cast<int>(sizeof(T));
  struct Loaded {
    Chunk<T, n> dy, x;
    unsigned passed;
  };
  const auto gather = [&](std::int64_t channel, std::int64_t begin, std::int64_t end, int step,
                          double (&value)[2 * n]) {
    float centre[n], sum[n]{}, product[n]{};
    for (int k = 0; k < n; ++k) centre[k] = mean[channel + k];
    const auto load = [&](std::int64_t row) {
      const std::int64_t first = row * grid.channels + channel;
      return Loaded{load_chunk<n>(dy + first), load_chunk<n>(x + first), relu ? gate.template bits<n>(first) : ~0u};
    };
    each_ahead<depth>(begin, end, step, load, [&](const Loaded& in) {
      for (int k = 0; k < n; ++k) {
        const float dz = (in.passed >> k & 1u) != 0 ? in.dy.at(k) : 0.0F;
        sum[k] += dz;
        product[k] += dz * (in.x.at(k) - centre[k]);
      }
    });
    for (int k = 0; k < n; ++k) {
      value[k] = static_cast<double>(sum[k]);
      value[n + k] = static_cast<double>(product[k]);
    }
  };
  channel_sums<n>(grid, gather, [&](std::int64_t channel, double sum, double product) {
    gradients.finish(channel, static_cast<double>(grid.rows), sum, product);
  });
}

template <class T, bool relu, bool residual>
__global__ void apply_kernel(const T* dy, const T* x, Gate<T> gate, Span span, std::int64_t channels,
                             const float* mean_of, Lines lines,
                             T* dx, T* dresidual) {
  struct Loaded {
    std::int64_t chunk;
    Chunk<T> dy, x;
    unsigned passed;
  };
  const Walk walk(channels);
  if (walk.chunk >= span.chunks()) return;
  const OfChannels mean(mean_of, walk.channel, channels), scale(lines.scale, walk.channel, channels);
  const OfChannels slope(lines.slope, walk.channel, channels), shift(lines.shift, walk.channel, channels);

  const auto load = [&](std::int64_t chunk, auto whole) {
    return Loaded{chunk, span.load<whole>(dy, chunk), span.load<whole>(x, chunk), relu ? gate.bits(span, chunk) : ~0u};
  };
  each_ahead<2>(walk.chunk, span.whole_chunks(), span.chunks(), walk.step, load, [&](const Loaded& in) {
    Chunk<T> dz, out;
    for (int k = 0; k < chunk_size; ++k) {
      dz.set(k, (in.passed >> k & 1u) != 0 ? in.dy.at(k) : 0.0F);
      out.set(k, dz.at(k) * scale[k] + ((in.x.at(k) - mean[k]) * slope[k] + shift[k]));
    }
    span.store(out, dx, in.chunk);
    if constexpr (residual) span.store(dz, dresidual, in.chunk);
  });
}

struct Inputs {
  const Tensor &dy, &x, &y, &passed, &mean;
  bool relu;

  template <class T>
  Gate<T> gate() const {
    return {passed.as<const std::uint8_t>(), y.as<const T>()};
  }
};

void sum_up(const Op& op, const Inputs& in, const ChannelGradients& gradients) {
  with_channels(in.x, [&](auto zero, auto size) {
    using T = decltype(zero);
    constexpr int n = decltype(size)::value;
    const ChannelGrid grid = channel_grid<n>(op, in.x);
    const auto kernel = in.relu ? sums_kernel<T, n, true> : sums_kernel<T, n, false>;
    launch(op, kernel, grid.blocks(), block_threads, in.dy.as<const T>(), in.x.as<const T>(), in.gate<T>(),
           in.mean.as<const float>(), grid,
           gradients);
  });
}

void apply(const Op& op, const Inputs& in, const Lines& lines, const Tensor& dx, const Tensor& dresidual) {
  with_float_type(in.x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto enqueue = [&](auto kernel) {
      launch(op, kernel, walk_blocks(op, in.x), block_threads, in.dy.as<const T>(), in.x.as<const T>(), in.gate<T>(),
             Span{in.x.shape.count()}, in.x.shape[1], in.mean.as<const float>(), lines, dx.as<T>(), dresidual.as<T>());
    };
    if (in.relu) return dresidual ? enqueue(apply_kernel<T, true, true>) : enqueue(apply_kernel<T, true, false>);
    dresidual ? enqueue(apply_kernel<T, false, true>) : enqueue(apply_kernel<T, false, false>);
  });
}

}  // namespace

void batch_norm_backward(Stream& stream, Tensor dy, Tensor x, Tensor y, Tensor passed, Tensor gamma, Tensor saved_mean,
                         Tensor saved_inv_std, BatchNorm options, bool training, bool accumulate, Tensor dx,
                         Tensor dresidual, Tensor dgamma, Tensor dbeta) {
  stream.submit("batchNormBackward", [&](const Op& op) {
    op.count({.bytes = bytes_of(dy, x, y, passed, dx, dresidual)});
    const std::int64_t channels = x.shape[1];
    const Inputs in{dy, x, y, passed, saved_mean, options.relu};
    const Lines lines{op.scratch_of<float>(channels), op.scratch_of<float>(channels), op.scratch_of<float>(channels)};
    sum_up(op, in,
           {gamma.as<const float>(), saved_inv_std.as<const float>(), training, accumulate, dgamma.as<float>(),
            dbeta.as<float>(), lines});
    apply(op, in, lines, dx, dresidual);
  });
}

}  // namespace s2sam::ops
