#include "cpu/conv/correlate.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "cpu/activation.hpp"
#include "cpu/chunks.hpp"
#include "cpu/conv/blocking.hpp"
#include "cpu/conv/plans.hpp"
#include "cpu/conv/split.hpp"
#include "cpu/elementwise/convert.hpp"
#include "s2sam/error.hpp"

namespace s2sam::conv {

namespace {

/// One call: what every pass of it shares.
struct Call {
  Context& context;
  Direction direction;
  const Tensor &in, &out;
  ActivationLayout from, to;
  const Tensor& w;
  Weights weights;
  bool accumulate;

  int inputs() const { return static_cast<int>(direction == Direction::forward ? weights.in : weights.out); }
  int outputs() const { return static_cast<int>(direction == Direction::forward ? weights.out : weights.in); }
};

/// Calls body(tile, rows, cols) for the tiles of a pass, spread over the threads. A job is a band of neighbouring rows,
/// which read much of the same input; output channels are split too, at multiples of `grain`, where bands are too few.
template <class Body>
void for_each_tile(const Call& call, const Pass& pass, const Split& rows, const Split& cols, int grain,
                   const Body& body) {
  const ActivationLayout &from = call.from, &to = call.to;
  const auto blocks = static_cast<int>(to.blocks);
  const int grains = (call.outputs() + grain - 1) / grain, wanted = 4 * call.context.threads();
  const Split bands{rows.pieces, std::clamp(wanted / blocks, 1, rows.pieces)};
  const Split channels{grains, std::clamp(wanted / (blocks * bands.pieces), 1, grains)};
  Tile shared{};
  shared.in_row = from.row * pass.h.in_step;
  shared.in_col = ActivationLayout::lanes * pass.w.in_step;
  shared.out_row = to.row * pass.h.out_step;
  shared.out_col = ActivationLayout::lanes * pass.w.out_step;
  shared.out_plane = to.plane;
  shared.accumulate = call.accumulate;
  call.context.parallel(static_cast<std::ptrdiff_t>(blocks) * bands.pieces * channels.pieces, [&](std::ptrdiff_t job) {
    const auto part = static_cast<int>(job % channels.pieces), strip = static_cast<int>(job / channels.pieces);
    const int band = strip % bands.pieces, block = strip / bands.pieces;
    const float* in = call.in.as<const float>() + from.at(block, 0, pass.h.in_first, pass.w.in_first);
    float* out = call.out.as<float>() + to.at(block, 0, pass.h.out_first, pass.w.out_first);
    Tile tile = shared;
    tile.first = channels.begin(part) * grain;
    tile.last = std::min(channels.end(part) * grain, call.outputs());
    for (int i = bands.begin(band); i < bands.end(band); ++i) {
      for (int j = 0; j < cols.pieces; ++j) {
        tile.in = in + rows.begin(i) * tile.in_row + cols.begin(j) * tile.in_col;
        tile.out = out + rows.begin(i) * tile.out_row + cols.begin(j) * tile.out_col;
        body(tile, rows.end(i) - rows.begin(i), cols.end(j) - cols.begin(j));
      }
    }
  });
}

/// Each thread has room for the sums of its tiles of so many output channels: little enough for the second-level cache.
constexpr int partial_channels = 64;
thread_local AlignedBuffer partial_sums;

void sparse_pass(const Call& call, const Pass& pass, const PassPlan& plan) {
  const Lists& lists = plan.lists;
  auto* entries = static_cast<Entry*>(call.context.scratch(lists.source.size() * sizeof(Entry), slot_weights));
  const auto* w = call.w.as<const float>();
  parallel_chunks(call.context, static_cast<std::ptrdiff_t>(lists.source.size()),
                  [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
                    for (std::ptrdiff_t i = begin; i < end; ++i) entries[i] = {lists.offset[i], w[lists.source[i]]};
                  });
  const SparseRows rows{entries, lists.start.data(), lists.channels, lists.blocks};
  const SparseKernels& kernels = conv_sparse_kernels_for(call.context.isa());
  const auto& kernel = kernels.tile[column_step(pass.w.in_step)];
  const std::size_t room = static_cast<std::size_t>(partial_channels) * kernels.max_pixels * ActivationLayout::lanes;
  for_each_tile(call, pass, plan.tiling.rows, plan.tiling.cols, 1, [&](Tile tile, int tile_rows, int tile_cols) {
    tile.partial = static_cast<float*>(partial_sums.at_least(room * sizeof(float)));
    const int last = tile.last;
    for (; tile.first < last; tile.first = tile.last) {
      tile.last = std::min(tile.first + partial_channels, last);
      kernel[tile_rows - 1][tile_cols - 1](tile, rows);
    }
  });
}

/// The weights of a pass in the order the dense kernel reads them.
DenseRows pack(const Call& call, const Pass& pass, int group) {
  const Weights& weights = call.weights;
  const int in_pass = pass.h.taps() * pass.w.taps(), taps = call.inputs() * in_pass, outputs = call.outputs();
  auto* packed = static_cast<float*>(
      call.context.scratch(static_cast<std::size_t>(outputs) * taps * sizeof(float), slot_weights));
  auto* offset = static_cast<std::uint32_t*>(
      call.context.scratch(static_cast<std::size_t>(taps) * sizeof(std::uint32_t), slot_offsets));
  const auto for_each_tap = [&](auto body) {
    int tap = 0;
    for (int from = 0; from < call.inputs(); ++from) {
      for (int row = 0; row < weights.height; ++row) {
        for (int col = 0; col < weights.width; ++col) {
          if (pass.h.shift[row] >= 0 && pass.w.shift[col] >= 0) body(tap++, from, row, col);
        }
      }
    }
  };
  for_each_tap([&](int tap, int from, int row, int col) {
    offset[tap] = static_cast<std::uint32_t>(from * call.from.plane + pass.h.shift[row] * call.from.row +
                                             pass.w.shift[col] * ActivationLayout::lanes);
  });
  const auto* w = call.w.as<const float>();
  const bool forward = call.direction == Direction::forward;
  call.context.parallel((outputs + group - 1) / group, [&](std::ptrdiff_t g) {
    const int first = static_cast<int>(g) * group, size = std::min(group, outputs - first);
    float* to = packed + static_cast<std::ptrdiff_t>(first) * taps;
    for_each_tap([&](int tap, int from, int row, int col) {
      for (int i = 0; i < size; ++i) {
        const std::int64_t pair = forward ? (first + i) * weights.in + from : from * weights.in + first + i;
        to[tap * size + i] = w[(pair * weights.height + row) * weights.width + col];
      }
    });
  });
  return {packed, offset, outputs, taps};
}

void dense_pass(const Call& call, const Pass& pass) {
  const DenseKernels& kernels = conv_dense_kernels_for(call.context.isa());
  const DenseRows packed = pack(call, pass, kernels.channels);
  const auto& kernel = kernels.tile[column_step(pass.w.in_step)];
  for_each_tile(call, pass, {pass.h.count, pass.h.count}, Split::at_most(pass.w.count, kernels.cols), kernels.channels,
                [&](const Tile& tile, int, int cols) { kernel[cols - 1](tile, packed); });
}

void check_offsets(const ActivationLayout& layout) {
  if (layout.block <= std::numeric_limits<std::uint32_t>::max()) return;
  throw Error(Code::shape, "conv2d",
              "16 images of " + std::to_string(layout.c) + " x " + std::to_string(layout.h) + " x " +
                  std::to_string(layout.w) + " are more than 2^32 numbers; use smaller images or fewer channels");
}

}  // namespace

double work_of(const Weights& weights, double kept, const ActivationLayout& outputs) {
  return 2.0 * kept * static_cast<double>(weights.count()) * static_cast<double>(outputs.n * outputs.h * outputs.w);
}

int needed_border(const std::vector<Pass>& all, const Tensor& in) {
  int border = 0;
  for (const Pass& pass : all) {
    border = std::max({border, pass.h.border(static_cast<int>(in.shape[2])),
                       pass.w.border(static_cast<int>(in.shape[3]))});
  }
  return border;
}

Tensor with_border(Context& context, const Tensor& x, int border) {
  if (x.border >= border) return x;
  Tensor padded = x;
  padded.border = border;
  padded.data = context.scratch(storage_bytes(x.shape, x.dtype, x.format, border), slot_padded);
  convert(context, x, padded);
  return padded;
}

void correlate(Context& context, Direction direction, const Tensor& in, const Tensor& w, Mask* mask,
               const ops::Conv2d& geometry, bool accumulate, const Tensor& out) {
  const Weights weights(w.shape);
  const std::vector<Pass> all =
      passes(direction, weights, geometry, static_cast<int>(out.shape[2]), static_cast<int>(out.shape[3]));
  const Tensor source = with_border(context, in, needed_border(all, in));
  const Call call{context, direction, source, out, ActivationLayout(source), ActivationLayout(out), w, weights,
                  accumulate};
  check_offsets(call.from);
  if (call.to.border > 0) {
    parallel_planes(context, call.to, [&](std::int64_t block, std::int64_t channel) {
      clear_border(call.to, out.as<float>(), block, channel);
    });
  }
  const double kept = density(mask);
  context.count({work_of(weights, kept, direction == Direction::forward ? call.to : call.from),
                 bytes_of(in, w, out) + (accumulate ? bytes_of(out) : 0.0)});
  if (kept > dense_above) {
    for (const Pass& pass : all) dense_pass(call, pass);
    return;
  }
  const Use use = direction == Direction::forward ? Use::forward : Use::backward_data;
  const PlanKey key(use, context.isa(), geometry, call.from, call.to.h, call.to.w);
  const Plan& plan = plan_for(*mask, key, [&] {
    Plan made;
    for (const Pass& pass : all) {
      const Tiling tiling = sparse_tiling(conv_sparse_kernels_for(context.isa()), pass, call.inputs(), kept);
      const ListShape shape{direction, pass, call.from.row, call.from.plane, tiling.block_channels};
      made.push_back({tiling, make_lists(*mask, shape)});
    }
    return made;
  });
  for (std::size_t i = 0; i < all.size(); ++i) sparse_pass(call, all[i], plan[i]);
}

}  // namespace s2sam::conv
