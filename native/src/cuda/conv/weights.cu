#include "cuda/conv/weights.hpp"

#include <algorithm>

#include "cuda/half.hpp"
#include "cuda/launch.hpp"
#include "s2sam/mask_bits.hpp"

namespace s2sam::conv {

namespace {

/// A block turns tiles of channels x taps of one filter around in shared memory, so that both sides are read and
/// written in runs.
constexpr int tile_taps = 16;
constexpr int tile_channels = 64;
constexpr int lone_tap_channels = 1024;
constexpr int tile_size = tile_taps * (tile_channels + 1);
static_assert(lone_tap_channels <= tile_size);

struct Extents {
  int filters, channels, taps;
  int packed_filters, packed_channels;
  int tile;  ///< channels of one
};

/// Blocks: (tiles of packed channels, tiles of taps, packed filters in strides of the grid).
template <class From, class To>
__global__ void pack(Extents e, const From* __restrict__ w, To* __restrict__ packed) {
  __shared__ float tile[tile_size];
  const int first_channel = static_cast<int>(blockIdx.x) * e.tile, first_tap = static_cast<int>(blockIdx.y) * tile_taps;
  const int taps = min(tile_taps, e.taps - first_tap);
  const int channels = min(e.tile, e.packed_channels - first_channel);
  for (int filter = static_cast<int>(blockIdx.z); filter < e.packed_filters; filter += static_cast<int>(gridDim.z)) {
    for (int i = static_cast<int>(threadIdx.x); i < channels * taps; i += static_cast<int>(blockDim.x)) {
      const int channel = i / taps, tap = i % taps;
      const bool inside = filter < e.filters && first_channel + channel < e.channels;
      const std::int64_t at = (std::int64_t{filter} * e.channels + first_channel + channel) * e.taps + first_tap + tap;
      tile[tap * (e.tile + 1) + channel] = inside ? to_float(w[at]) : 0.0F;
    }
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < channels * taps; i += static_cast<int>(blockDim.x)) {
      const int tap = i / channels, channel = i % channels;
      const std::int64_t row = std::int64_t{filter} * e.taps + first_tap + tap;
      packed[row * e.packed_channels + first_channel + channel] = from_float<To>(tile[tap * (e.tile + 1) + channel]);
    }
    __syncthreads();
  }
}

/// Blocks: (tiles of channels, tiles of taps, filters in strides of the grid).
template <class From>
__global__ void unpack(Extents e, std::int64_t parts, const From* __restrict__ packed, const std::uint32_t* __restrict__ kept,
                       bool add, float* __restrict__ dw) {
  __shared__ float tile[tile_size];
  const int first_channel = static_cast<int>(blockIdx.x) * e.tile, first_tap = static_cast<int>(blockIdx.y) * tile_taps;
  const int taps = min(tile_taps, e.taps - first_tap);
  const int channels = min(e.tile, e.channels - first_channel);
  const std::int64_t size = std::int64_t{e.packed_filters} * e.taps * e.packed_channels;
  for (int filter = static_cast<int>(blockIdx.z); filter < e.filters; filter += static_cast<int>(gridDim.z)) {
    for (int i = static_cast<int>(threadIdx.x); i < channels * taps; i += static_cast<int>(blockDim.x)) {
      const int tap = i / channels, channel = i % channels;
      const std::int64_t row = std::int64_t{filter} * e.taps + first_tap + tap;
      const From* from = packed + row * e.packed_channels + first_channel + channel;
      float sum = 0;
      for (std::int64_t p = 0; p < parts; ++p) sum += to_float(from[p * size]);
      tile[tap * (e.tile + 1) + channel] = sum;
    }
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < channels * taps; i += static_cast<int>(blockDim.x)) {
      const int channel = i / taps, tap = i % taps;
      const std::int64_t at = (std::int64_t{filter} * e.channels + first_channel + channel) * e.taps + first_tap + tap;
      if (kept != nullptr && !is_kept(kept, at)) continue;
      dw[at] = add ? dw[at] + tile[tap * (e.tile + 1) + channel] : tile[tap * (e.tile + 1) + channel];
    }
    __syncthreads();
  }
}

Extents extents_of(const Problem& p, const Packed& packed) {
  const auto small = [](std::int64_t value) { return static_cast<int>(value); };
  if (p.taps() > 1) return {small(p.o), small(p.c), small(p.taps()), small(packed.filters), small(packed.channels), tile_channels};
  if (packed.channels > p.c) return {small(p.o), small(p.c), 1, small(packed.filters), small(packed.channels), lone_tap_channels};
  return {1, small(p.o * p.c), 1, 1, small(packed.filters * p.c), lone_tap_channels};  // both orders are the same
}

dim3 blocks_of(const Extents& e, int channels, int filters) {
  return {static_cast<unsigned>((channels + e.tile - 1) / e.tile), static_cast<unsigned>((e.taps + tile_taps - 1) / tile_taps),
          static_cast<unsigned>(std::min(filters, 65535))};
}

}  // namespace

void pack_weights(const Op& op, const Problem& p, const Tensor& w, const Packed& into) {
  const Extents extents = extents_of(p, into);
  const dim3 blocks = blocks_of(extents, extents.packed_channels, extents.packed_filters);
  with_float_type(w.dtype, [&](auto from) {
    with_float_type(into.dtype, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      launch(op, pack<From, To>, blocks, dim3(block_threads), extents, w.as<const From>(),
             static_cast<To*>(into.data));
    });
  });
}

void unpack_gradient(const Op& op, const Packed& from, const Problem& p, const Tensors& into) {
  const Extents extents = extents_of(p, from);
  const dim3 blocks = blocks_of(extents, extents.channels, extents.filters);
  with_float_type(from.dtype, [&](auto type) {
    using From = decltype(type);
    launch(op, unpack<From>, blocks, dim3(block_threads), extents, from.parts, static_cast<const From*>(from.data),
           into.kept, p.accumulate, into.w.as<float>());
  });
}

}  // namespace s2sam::conv
