#include "cuda/norm/channel_sums.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

using namespace norm;

namespace {

// What the ReLU let pass: bit k for element first + k, of n that lie in one byte; or of a chunk.

/// There is no ReLU.
struct Open {
  template <int n>
  __device__ unsigned bits(std::int64_t) const {
    return ~0u;
  }
  __device__ unsigned bits(const Span&, std::int64_t) const { return ~0u; }
};

/// As the forward pass noted it.
struct Noted {
  const std::uint8_t* passed;

  template <int n>
  __device__ unsigned bits(std::int64_t first) const {
    return passed[first / chunk_size] >> first % chunk_size;
  }
  __device__ unsigned bits(const Span&, std::int64_t chunk) const { return passed[chunk]; }
};

/// As y shows.
template <class T>
struct Shown {
  const T* y;

  template <int n>
  __device__ static unsigned bits_of(const Chunk<T, n>& out) {
    unsigned bits = 0;
    for (int k = 0; k < n; ++k) bits |= out.at(k) > 0.0F ? 1u << k : 0u;
    return bits;
  }
  template <int n>
  __device__ unsigned bits(std::int64_t first) const {
    return bits_of(load_chunk<n>(y + first));
  }
  __device__ unsigned bits(const Span& span, std::int64_t chunk) const { return bits_of(span.load(y, chunk)); }
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

template <class T, int n, class Gate>
__global__ void __launch_bounds__(block_threads, ChannelGrid::blocks_per_processor)
    sums_kernel(const T* dy, const T* x, Gate gate, const float* mean, ChannelGrid grid,
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
      return Loaded{load_chunk<n>(dy + first), load_chunk<n>(x + first), gate.template bits<n>(first)};
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

template <class T, bool residual, class Gate>
__global__ void __launch_bounds__(block_threads, walk_blocks_at_once<T>) apply_kernel(const T* dy, const T* x, Gate gate, Span span, std::int64_t channels,
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
    return Loaded{chunk, span.load<whole>(dy, chunk), span.load<whole>(x, chunk), gate.bits(span, chunk)};
  };
  each_ahead<2>(walk.chunk, span.whole_chunks(), span.chunks(), walk.step, load, [&](const Loaded& in, auto whole) {
    Chunk<T> dz, out;
    for (int k = 0; k < chunk_size; ++k) {
      const float passed = (in.passed >> k & 1u) != 0 ? in.dy.at(k) : 0.0F;
      dz.set(k, passed);
      out.set(k, passed * scale[k] + ((in.x.at(k) - mean[k]) * slope[k] + shift[k]));
    }
    span.store<whole>(out, dx, in.chunk);
    if constexpr (residual) span.store<whole>(dz, dresidual, in.chunk);
  });
}

struct Inputs {
  const Tensor &dy, &x, &y, &passed, &mean;
  bool relu;

  /// Calls body with the gate of the ReLU.
  template <class T, class Body>
  void with_gate(const Body& body) const {
    if (!relu) return body(Open{});
    if (passed) return body(Noted{passed.as<const std::uint8_t>()});
    body(Shown<T>{y.as<const T>()});
  }
};

void sum_up(const Op& op, const Inputs& in, const ChannelGradients& gradients) {
  with_channels(in.x, [&](auto zero, auto size) {
    using T = decltype(zero);
    constexpr int n = decltype(size)::value;
    const ChannelGrid grid = channel_grid<n>(op, in.x);
    in.with_gate<T>([&](auto gate) {
      launch(op, sums_kernel<T, n, decltype(gate)>, grid.blocks(), block_threads, in.dy.as<const T>(), in.x.as<const T>(),
             gate, in.mean.as<const float>(), grid, gradients);
    });
  });
}

void apply(const Op& op, const Inputs& in, const Lines& lines, const Tensor& dx, const Tensor& dresidual) {
  with_float_type(in.x.dtype, [&](auto zero) {
    using T = decltype(zero);
    in.with_gate<T>([&](auto gate) {
      using Gate = decltype(gate);
      const auto kernel = dresidual ? apply_kernel<T, true, Gate> : apply_kernel<T, false, Gate>;
      launch(op, kernel, walk_blocks<T>(op, in.x), block_threads, in.dy.as<const T>(), in.x.as<const T>(), gate,
             Span{in.x.shape.count()}, in.x.shape[1], in.mean.as<const float>(), lines, dx.as<T>(), dresidual.as<T>());
    });
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
