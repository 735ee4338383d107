#include "cpu/conv/weight_gradient.hpp"

#include <algorithm>

#include "cpu/chunks.hpp"
#include "cpu/conv/blocking.hpp"
#include "cpu/conv/correlate.hpp"
#include "cpu/conv/plans.hpp"
#include "cpu/layout.hpp"

namespace s2sam::conv {

namespace {

/// One call. Work is split over positions of the weight alone, so every sum runs over the images in one order, whatever the
/// number of threads.
struct Call {
  Context& context;
  const Tensor &x, &dy;
  ActivationLayout from, to;
  Pass pass;
};

/// Calls body(tile) for the rectangles of all image blocks, in order.
template <class Body>
void for_each_rectangle(const Call& call, const GradientTiling& tiling, const Body& body) {
  GradientTile tile{};
  tile.x_row = call.from.row * call.pass.h.in_step;
  tile.x_col = ActivationLayout::lanes * call.pass.w.in_step;
  tile.dy_row = call.to.row;
  tile.dy_plane = call.to.plane;
  for (std::int64_t block = 0; block < call.to.blocks; ++block) {
    const float* x = call.x.as<const float>() + call.from.at(block, 0, call.pass.h.in_first, call.pass.w.in_first);
    const float* dy = call.dy.as<const float>() + call.to.at(block, 0);
    for (int i = 0; i < tiling.rows.pieces; ++i) {
      const int row = tiling.rows.begin(i);
      tile.rows = tiling.rows.end(i) - row;
      for (int j = 0; j < tiling.cols.pieces; ++j) {
        const int col = tiling.cols.begin(j);
        tile.cols = tiling.cols.end(j) - col;
        tile.x = x + row * tile.x_row + col * tile.x_col;
        tile.dy = dy + row * tile.dy_row + col * ActivationLayout::lanes;
        body(tile);
      }
    }
  }
}

/// sums[i] = the gradient of the i-th listed weight.
void sparse_sums(const Call& call, const GradientTiling& tiling, const Lists& lists, float* sums) {
  const auto& kernel = conv_gradient_kernels_for(call.context.isa()).sparse;
  std::fill(sums, sums + lists.offset.size(), 0.0F);
  const Split channels{lists.channels, std::min(lists.channels, 2 * call.context.threads())};
  call.context.parallel(channels.pieces, [&](std::ptrdiff_t piece) {
    const int first = channels.begin(static_cast<int>(piece)), last = channels.end(static_cast<int>(piece));
    for_each_rectangle(call, tiling, [&](GradientTile& tile) {
      tile.first = first;
      tile.last = last;
      for (int block = 0; block < lists.blocks; ++block) {
        kernel(tile, lists.offset.data(), lists.start.data() + static_cast<std::ptrdiff_t>(block) * lists.channels, sums);
      }
    });
  });
}

/// sums (+)= the gradient of every weight, row-major.
void dense_sums(const Call& call, const Weights& weights, bool accumulate, float* sums) {
  const GradientKernels& kernels = conv_gradient_kernels_for(call.context.isa());
  const GradientTiling tiling = dense_gradient_tiling(kernels, call.pass, static_cast<int>(weights.in));
  const int taps = static_cast<int>(weights.in) * weights.height * weights.width;
  auto* offset = static_cast<std::uint32_t*>(
      call.context.scratch(static_cast<std::size_t>(taps) * sizeof(std::uint32_t), slot_offsets));
  for (int tap = 0; tap < taps; ++tap) {
    const int col = tap % weights.width, row = tap / weights.width % weights.height;
    offset[tap] = static_cast<std::uint32_t>(tap / (weights.width * weights.height) * call.from.plane +
                                             row * call.from.row + col * ActivationLayout::lanes);
  }
  const auto outputs = static_cast<int>(weights.out);
  if (!accumulate) std::fill(sums, sums + weights.count(), 0.0F);
  const Split groups = Split::at_most(outputs, kernels.dense_channels);
  const Split ranges{taps, std::clamp(4 * call.context.threads() / groups.pieces, 1, taps)};
  call.context.parallel(static_cast<std::ptrdiff_t>(groups.pieces) * ranges.pieces, [&](std::ptrdiff_t job) {
    const auto group = static_cast<int>(job / ranges.pieces), range = static_cast<int>(job % ranges.pieces);
    const int begin = ranges.begin(range);
    for_each_rectangle(call, tiling, [&](GradientTile& tile) {
      tile.first = groups.begin(group);
      tile.last = groups.end(group);
      kernels.dense(tile, offset + begin, ranges.end(range) - begin, taps, sums + begin);
    });
  });
}

float* sums_in_scratch(Context& context, std::size_t count) {
  return static_cast<float*>(context.scratch(count * sizeof(float), slot_sums));
}

/// dw[position] (+)= sums[i].
void scatter(Context& context, const Lists& lists, const float* sums, bool accumulate, float* dw) {
  parallel_chunks(context, static_cast<std::ptrdiff_t>(lists.source.size()),
                  [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
                    for (std::ptrdiff_t i = begin; i < end; ++i) {
                      float& to = dw[lists.source[i]];
                      to = accumulate ? to + sums[i] : sums[i];
                    }
                  });
}

PlanKey key_of(const Call& call, const ops::Conv2d& geometry) {
  return {.use = PlanKey::Use::backward_weight,
          .isa = call.context.isa(),
          .stride_h = geometry.stride_h,
          .stride_w = geometry.stride_w,
          .pad_h = geometry.pad_h,
          .pad_w = geometry.pad_w,
          .out_h = static_cast<int>(call.to.h),
          .out_w = static_cast<int>(call.to.w),
          .row = call.from.row,
          .plane = call.from.plane};
}

void sparse_gradient(const Call& call, const Weights& weights, Mask& mask, const ops::Conv2d& geometry, bool accumulate,
                     float* dw) {
  const GradientTiling tiling = sparse_gradient_tiling(call.pass, static_cast<int>(weights.in), density(&mask));
  const Plan& plan = plan_for(mask, key_of(call, geometry), [&] {
    return Plan{{make_lists(mask, {Direction::forward, call.pass, call.from.row, call.from.plane, tiling.block_channels})}};
  });
  const Lists& lists = plan.passes.front();
  float* sums = sums_in_scratch(call.context, lists.source.size());
  sparse_sums(call, tiling, lists, sums);
  scatter(call.context, lists, sums, accumulate, dw);
}

/// At kept positions of a mask that keeps so many that summing everywhere is faster.
void nearly_dense_gradient(const Call& call, const Weights& weights, const Mask& mask, bool accumulate, float* dw) {
  float* sums = sums_in_scratch(call.context, static_cast<std::size_t>(weights.count()));
  dense_sums(call, weights, false, sums);
  for_each_kept(mask, [&](std::uint32_t i) { dw[i] = accumulate ? dw[i] + sums[i] : sums[i]; });
}

}  // namespace

void weight_gradient(Context& context, const Tensor& x, const Tensor& dy, Mask* mask, const ops::Conv2d& geometry,
                     ops::GradientAt at, bool accumulate, const Tensor& dw) {
  const Weights weights(dw.shape);
  const std::vector<Pass> all = passes(Direction::forward, weights, geometry, static_cast<int>(dy.shape[2]),
                                       static_cast<int>(dy.shape[3]));
  const Tensor source = with_border(context, x, needed_border(all, x));
  const Call call{context, source, dy, ActivationLayout(source), ActivationLayout(dy), all.front()};
  const double kept = density(mask);
  if (at == ops::GradientAt::all || kept == 1.0) return dense_sums(call, weights, accumulate, dw.as<float>());
  if (kept > dense_above) return nearly_dense_gradient(call, weights, *mask, accumulate, dw.as<float>());
  sparse_gradient(call, weights, *mask, geometry, accumulate, dw.as<float>());
}

}  // namespace s2sam::conv
