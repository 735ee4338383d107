#include "cpu/conv/weight_gradient.hpp"

#include <algorithm>

#include "cpu/chunks.hpp"
#include "cpu/conv/blocking.hpp"
#include "cpu/conv/correlate.hpp"
#include "cpu/conv/plans.hpp"
#include "cpu/conv/tuner.hpp"
#include "cpu/conv/winograd.hpp"
#include "cpu/layout.hpp"

namespace s2sam::conv {

namespace {

/// One call. The images are cut into segments by a rule that never sees the threads, and each position of the weight is
/// summed in one order within a segment and over the segments: results are the same for any number of threads.
struct GradientCall {
  Context& context;
  const Tensor &x, &dy;
  ActivationLayout from, to;
  Pass pass;
};

/// Calls body(tile) for the rectangles of one segment, in order.
template <class Body>
void for_each_rectangle(const GradientCall& call, const Tiling& tiling, const Split& segments, int segment,
                        const Body& body) {
  GradientTile tile{};
  tile.x_row = call.from.row * call.pass.h.in_step;
  tile.x_col = ActivationLayout::lanes * call.pass.w.in_step;
  tile.dy_row = call.to.row;
  tile.dy_plane = call.to.plane;
  for (int strip = segments.begin(segment); strip < segments.end(segment); ++strip) {
    const int block = strip / tiling.rows.pieces, piece = strip % tiling.rows.pieces, row = tiling.rows.begin(piece);
    const float* x = call.x.as<const float>() + call.from.at(block, 0, call.pass.h.in_first, call.pass.w.in_first);
    const float* dy = call.dy.as<const float>() + call.to.at(block, 0);
    tile.rows = tiling.rows.end(piece) - row;
    for (int j = 0; j < tiling.cols.pieces; ++j) {
      const int col = tiling.cols.begin(j);
      tile.cols = tiling.cols.end(j) - col;
      tile.x = x + row * tile.x_row + col * tile.x_col;
      tile.dy = dy + row * tile.dy_row + col * ActivationLayout::lanes;
      body(tile);
    }
  }
}

/// Strips of rectangles in as many segments as the memory for their sums, `positions` each, allows.
Split segments_of(const GradientCall& call, const Tiling& tiling, std::int64_t positions) {
  constexpr std::int64_t most = 16, room = std::int64_t{1} << 21;
  const std::int64_t strips = call.to.blocks * tiling.rows.pieces;
  const std::int64_t affordable = std::max<std::int64_t>(1, room / std::max<std::int64_t>(1, positions));
  const std::int64_t pieces = std::min({strips, most, affordable});
  return {static_cast<int>(strips), static_cast<int>(pieces)};
}

/// Calls body(segment, first, last) over all segments and ranges of channels, as many ranges as keep the threads busy.
template <class Body>
void for_each_job(const GradientCall& call, const Split& segments, int channels, int grain, const Body& body) {
  const int grains = (channels + grain - 1) / grain, wanted = 4 * call.context.threads();
  const Split ranges{grains, std::clamp(wanted / segments.pieces, 1, grains)};
  call.context.parallel(static_cast<std::ptrdiff_t>(segments.pieces) * ranges.pieces, [&](std::ptrdiff_t job) {
    const auto segment = static_cast<int>(job / ranges.pieces), range = static_cast<int>(job % ranges.pieces);
    body(segment, ranges.begin(range) * grain, std::min(ranges.end(range) * grain, channels));
  });
}

float* zeroed_sums(const GradientCall& call, const Split& segments, std::size_t positions) {
  auto* sums = static_cast<float*>(call.context.scratch(segments.pieces * positions * sizeof(float), slot_sums));
  std::fill_n(sums, segments.pieces * positions, 0.0F);
  return sums;
}

/// The sum of position i over the segments.
float total(const float* sums, const Split& segments, std::size_t positions, std::size_t i) {
  float sum = sums[i];
  for (int segment = 1; segment < segments.pieces; ++segment) sum += sums[segment * positions + i];
  return sum;
}

void sparse_gradient(const GradientCall& call, const Weights& weights, Mask& mask, const ops::Conv2d& geometry, bool accumulate,
                     float* dw) {
  const GradientKernels& kernels = conv_gradient_kernels_for(call.context.isa());
  const PlanKey key(Use::backward_weight, call.context.isa(), geometry, call.from, call.to.h, call.to.w);
  const Plan& plan = plan_for(mask, key, [&] {
    note_rule(call.context, density(&mask), "sparse");
    const Tiling tiling = gradient_tiling(kernels, call.pass, static_cast<int>(weights.in), density(&mask));
    const ListShape shape{Direction::forward, call.pass, call.from.row, call.from.plane, tiling.block_channels};
    return Plan{{false, tiling, make_lists(mask, shape)}};
  });
  const Tiling& tiling = plan.front().tiling;
  const Lists& lists = plan.front().lists;
  const std::size_t positions = lists.source.size();
  const Split segments = segments_of(call, tiling, weights.count());
  float* sums = zeroed_sums(call, segments, positions);
  const auto& kernel = kernels.sparse[column_step(call.pass.w.in_step)];
  for_each_job(call, segments, lists.channels, 1, [&](int segment, int first, int last) {
    for_each_rectangle(call, tiling, segments, segment, [&](GradientTile& tile) {
      tile.first = first;
      tile.last = last;
      for (int block = 0; block < lists.blocks; ++block) {
        kernel(tile, lists.offset.data(), lists.start.data() + static_cast<std::ptrdiff_t>(block) * lists.channels,
               sums + segment * positions);
      }
    });
  });
  parallel_chunks(call.context, static_cast<std::ptrdiff_t>(positions),
                  [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
                    for (std::ptrdiff_t i = begin; i < end; ++i) {
                      float& to = dw[lists.source[i]];
                      to = (accumulate ? to : 0.0F) + total(sums, segments, positions, i);
                    }
                  });
}

/// At every position, or at those `mask` keeps.
void dense_gradient(const GradientCall& call, const Weights& weights, const Mask* mask, bool accumulate, float* dw) {
  const GradientKernels& kernels = conv_gradient_kernels_for(call.context.isa());
  const auto& kernel = kernels.dense[column_step(call.pass.w.in_step)];
  const Tiling tiling = gradient_tiling(kernels, call.pass, static_cast<int>(weights.in), 1.0);
  const int taps = static_cast<int>(weights.in) * weights.height * weights.width;
  auto* offset = static_cast<std::uint32_t*>(
      call.context.scratch(static_cast<std::size_t>(taps) * sizeof(std::uint32_t), slot_offsets));
  for (int tap = 0; tap < taps; ++tap) {
    const int col = tap % weights.width, row = tap / weights.width % weights.height;
    offset[tap] = static_cast<std::uint32_t>(tap / (weights.width * weights.height) * call.from.plane +
                                             row * call.from.row + col * ActivationLayout::lanes);
  }
  const auto positions = static_cast<std::size_t>(weights.count());
  const Split segments = segments_of(call, tiling, weights.count());
  float* sums = zeroed_sums(call, segments, positions);
  for_each_job(call, segments, static_cast<int>(weights.out), kernels.dense_channels,
               [&](int segment, int first, int last) {
                 for_each_rectangle(call, tiling, segments, segment, [&](GradientTile& tile) {
                   tile.first = first;
                   tile.last = last;
                   kernel(tile, offset, taps, taps, sums + segment * positions);
                 });
               });
  const auto add = [&](std::size_t i) { dw[i] = (accumulate ? dw[i] : 0.0F) + total(sums, segments, positions, i); };
  if (mask != nullptr) return for_each_kept(*mask, add);
  parallel_chunks(call.context, static_cast<std::ptrdiff_t>(positions),
                  [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
                    for (std::ptrdiff_t i = begin; i < end; ++i) add(static_cast<std::size_t>(i));
                  });
}

/// At every position, or at those `mask` keeps.
void winograd_gradient(const GradientCall& call, const Mask* mask, bool accumulate, float* dw) {
  if (mask == nullptr) return winograd_weight_gradient(call.context, call.x, call.dy, accumulate, dw);
  auto* everywhere = static_cast<float*>(
      call.context.scratch(static_cast<std::size_t>(mask->count) * sizeof(float), slot_offsets));
  winograd_weight_gradient(call.context, call.x, call.dy, false, everywhere);
  for_each_kept(*mask, [&](std::size_t i) { dw[i] = (accumulate ? dw[i] : 0.0F) + everywhere[i]; });
}

}  // namespace

void weight_gradient(Context& context, const Tensor& x, const Tensor& dy, Mask* mask, const ops::Conv2d& geometry,
                     ops::GradientAt at, bool accumulate, const Tensor& dw) {
  const Weights weights(dw.shape);
  const std::vector<Pass> all = passes(Direction::forward, weights, geometry, static_cast<int>(dy.shape[2]),
                                       static_cast<int>(dy.shape[3]));
  const Tensor source = with_border(context, x, needed_border(all, x));
  const GradientCall call{context, source, dy, ActivationLayout(source), ActivationLayout(dy), all.front()};
  const double kept = density(mask);
  context.count({work_of(weights, at == ops::GradientAt::all ? 1.0 : kept, call.to), bytes_of(x, dy, dw)});
  if (uses_winograd(at == ops::GradientAt::all ? 1.0 : kept, weights, geometry, call.to)) {
    note_rule(context, kept, "dense, Winograd");
    return winograd_gradient(call, at == ops::GradientAt::all || kept == 1.0 ? nullptr : mask, accumulate,
                             dw.as<float>());
  }
  if (at == ops::GradientAt::kept && kept <= dense_above) {
    return sparse_gradient(call, weights, *mask, geometry, accumulate, dw.as<float>());
  }
  const bool everywhere = at == ops::GradientAt::all || kept == 1.0;
  note_rule(context, kept, everywhere && kept < 1.0 ? "dense, wanted everywhere" : "dense");
  dense_gradient(call, weights, everywhere ? nullptr : mask, accumulate, dw.as<float>());
}

}  // namespace s2sam::conv
