#include "cpu/conv/correlate.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "cpu/activation.hpp"
#include "cpu/conv/dense_pass.hpp"
#include "cpu/conv/sparse_pass.hpp"
#include "cpu/conv/tuner.hpp"
#include "cpu/conv/winograd.hpp"
#include "cpu/elementwise/convert.hpp"
#include "s2sam/error.hpp"

namespace s2sam::conv {

namespace {

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

bool uses_winograd(double kept, const Weights& weights, const ops::Conv2d& geometry, const ActivationLayout& outputs) {
  constexpr double least_density = 0.4;  // lists of kept weights are the faster below
  constexpr double least_filled = 0.5;   // of the tiles
  constexpr std::int64_t tile = 4;
  const auto whole = [](std::int64_t extent) { return (extent + tile - 1) / tile * tile; };
  const double filled =
      static_cast<double>(outputs.h * outputs.w) / static_cast<double>(whole(outputs.h) * whole(outputs.w));
  // A few images are computed by plain sums: there, speed matters least, and a ReLU that rounding decides otherwise most.
  const bool batch = outputs.n >= ActivationLayout::lanes;
  return batch && kept > least_density && filled >= least_filled && !pinned() && winograd_fits(weights, geometry);
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
  if (uses_winograd(kept, weights, geometry, call.to)) {
    note_rule(context, kept, "dense, Winograd");
    return run_winograd(call);
  }
  if (mask == nullptr || kept > sparse_below) {
    note_rule(context, kept, "dense");
    for (const Pass& pass : all) run_dense(call, pass, dense_grid(call, pass), pack(call, pass));
    return;
  }
  const Use use = direction == Direction::forward ? Use::forward : Use::backward_data;
  const PlanKey key(use, context.isa(), geometry, call.from, call.to.h, call.to.w);
  const Plan& plan = plan_for(*mask, key, [&] { return make_plan(call, *mask, all, key); });
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& [dense, tiling, lists] = plan[i];
    if (dense) {
      run_dense(call, all[i], dense_grid(call, all[i]), pack(call, all[i]));
    } else {
      run_sparse(call, all[i], Grid::whole(call, tiling.rows, tiling.cols), fill_entries(call, lists));
    }
  }
}

}  // namespace s2sam::conv
