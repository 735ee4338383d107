#pragma once

#include <algorithm>
#include <string>

#include "cuda/columns.hpp"
#include "cuda/norm/walk.hpp"
#include "s2sam/error.hpp"

/// Two sums for every channel of images [N, H, W, C], in one kernel; for .cu files alone. A thread takes n neighbouring
/// channels.
namespace s2sam::norm {

/// How the blocks share the work: `tiles` of channels, times `slices` of rows (a row being the channels of one pixel).
struct ChannelGrid {
  std::int64_t rows, channels;
  BlockColumns block;
  unsigned tiles, slices;
  std::int64_t slice_rows;
  double* partial;  ///< [tiles * slices][sums of a tile]
  unsigned* tickets;

  /// So many fit at once with all their loads under way; kernels say so to the compiler, which would else save registers instead.
  static constexpr int blocks_per_processor = 2;
  static constexpr std::int64_t most_channels = std::int64_t{Stream::tickets} * BlockColumns::most;

  unsigned blocks() const { return tiles * slices; }
};

/// For images x. Few blocks that each keep many loads under way: what they write is added up by one block.
template <int n>
ChannelGrid channel_grid(const Op& op, const Tensor& x) {
  constexpr std::int64_t least_rows = 8, most_rows = 1024;  // of a thread
  const std::int64_t channels = x.shape[1], rows = x.shape.count() / channels;
  if (channels > ChannelGrid::most_channels) {
    throw Error(Code::shape, op.name(),
                "x has " + std::to_string(channels) + " channels; batch norm on this device takes at most " +
                                            std::to_string(ChannelGrid::most_channels));
  }
  const auto block = BlockColumns::over(channels, n);
  const auto parts = [](std::int64_t count, std::int64_t size) { return (count + size - 1) / size; };
  const std::int64_t tiles = parts(channels, block.across * n);
  // No more blocks than fit at once: a few left over would run alone when all others are done.
  const std::int64_t fit = std::max<std::int64_t>(1, op.limits().processors * ChannelGrid::blocks_per_processor / tiles);
  const std::int64_t wanted = std::min(fit, parts(rows, block.rows() * least_rows));
  const std::int64_t slices = std::max(wanted, parts(rows, block.rows() * most_rows));
  const std::int64_t sums = 2 * n * block.across;
  return {rows,
          channels,
          block,
          static_cast<unsigned>(tiles),
          static_cast<unsigned>(slices),
          parts(rows, slices),
          op.scratch_of<double>(tiles * slices * sums),
          op.ticket()};
}

/// Adds up two values per channel: gather(first channel, first row, end row, row step, value) leaves a thread's sums
/// over its rows in value[k] and value[n + k] for channel number k; finish(channel, sum, other sum) is called once for
/// every channel, by one thread.
template <int n, class Gather, class Finish>
__device__ void channel_sums(const ChannelGrid& grid, const Gather& gather, const Finish& finish) {
  const BlockColumns block = grid.block;
  const unsigned tile = blockIdx.x % grid.tiles, slice = blockIdx.x / grid.tiles;
  const std::int64_t first = std::int64_t{tile} * block.across * n, begin = slice * grid.slice_rows;
  const std::int64_t channel = first + block.column() * n;
  double value[2 * n]{};
  if (channel < grid.channels) {
    gather(channel, begin + block.row(), min(begin + grid.slice_rows, grid.rows), block.rows(), value);
  }
  const double of_block = column_sums(value, block);

  const int sums = 2 * n * block.across, number = static_cast<int>(threadIdx.x);
  double* partial = grid.partial + std::int64_t{tile} * grid.slices * sums;
  if (number < sums) partial[slice * sums + number] = of_block;
  if (!is_last_block(grid.tickets + tile, grid.slices)) return;

  double part = 0.0;
  each_ahead<8>(number / sums, grid.slices, block_threads / sums,
                [&](std::int64_t row) { return partial[row * sums + number % sums]; },
                [&](double loaded) { part += loaded; });
  __shared__ double total[block_threads];
  total[number] = join_parts(part, sums);
  __syncthreads();
  const std::int64_t own = first + number % block.across * n + number / block.across;
  if (number < n * block.across && own < grid.channels) finish(own, total[number], total[n * block.across + number]);
}

}  // namespace s2sam::norm
