#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/activation.hpp"
#include "cpu/norm/batch_norm.kernels.hpp"

/// What the forward and the backward pass of batch norm share: how they walk over planes and channels.
namespace s2sam::norm {

/// A null tensor gives a null plane.
inline PlaneIn plane_in(const Tensor& x, std::int64_t block, std::int64_t channel) {
  if (!x) return {};
  const ActivationLayout layout(x);
  return {x.as<const float>() + layout.at(block, channel), layout.row};
}

/// Clears the border while it is at it: the plane is about to be written.
inline PlaneOut plane_out(const Tensor& y, std::int64_t block, std::int64_t channel) {
  if (!y) return {};
  const ActivationLayout layout(y);
  clear_border(layout, y.as<float>(), block, channel);
  return {y.as<float>() + layout.at(block, channel), layout.row, bytes_of(y) > streamed_bytes};
}

/// The bits of one plane in `passed`: [blocks, C, H, W], 16 for each pixel; null where there are none.
inline std::uint16_t* passed_in(const Tensor& passed, const ActivationLayout& layout, std::int64_t block,
                                std::int64_t channel) {
  return passed ? passed.as<std::uint16_t>() + (block * layout.c + channel) * layout.h * layout.w : nullptr;
}

/// `value` in the live lanes, zero in the others.
inline void spread(float (&to)[ActivationLayout::lanes], float value, int live) {
  std::fill_n(to, live, value);
  std::fill_n(to + live, ActivationLayout::lanes - live, 0.0F);
}

/// The planes of one activation as the kernels of one device see them.
struct Planes {
  const BatchNormKernels& kernels;
  ActivationLayout layout;
  int h, w;
  double count;  ///< values of a channel

  Planes(const Context& context, const Tensor& x)
      : kernels(batch_norm_kernels_for(context.isa())),
        layout(x),
        h(static_cast<int>(layout.h)),
        w(static_cast<int>(layout.w)),
        count(static_cast<double>(layout.n * layout.h * layout.w)) {}
};

/// Two sums for every plane, joined per channel in the order of the blocks.
struct Partial {
  double first, second;
};

/// All of them, in scratch slot 0.
class Partials {
 public:
  Partials(Context& context, const ActivationLayout& layout) : blocks_(layout.blocks) {
    const auto count = static_cast<std::size_t>(layout.blocks * layout.c);
    data_ = static_cast<Partial*>(context.scratch(count * sizeof(Partial), 0));
  }
  Partial* of(std::int64_t channel) const { return data_ + channel * blocks_; }

 private:
  std::int64_t blocks_;
  Partial* data_;
};

/// Runs gather(block, channel) on every plane, then finish(channel), then apply(block, channel). Channel by channel
/// where there are enough of them, because the end of a channel is then still in cache when apply begins with it.
template <class Gather, class Finish, class Apply>
void by_channel(Context& context, const ActivationLayout& layout, const Gather& gather, const Finish& finish,
                const Apply& apply) {
  if (layout.c >= 4 * context.threads() || layout.blocks == 1) {
    parallel_items(context, layout.c, layout.blocks * layout.plane, [&](std::ptrdiff_t channel) {
      for (std::int64_t block = 0; block < layout.blocks; ++block) gather(block, channel);
      finish(channel);
      for (std::int64_t block = layout.blocks - 1; block >= 0; --block) apply(block, channel);
    });
    return;
  }
  parallel_planes(context, layout, gather);
  for (std::int64_t channel = 0; channel < layout.c; ++channel) finish(channel);
  parallel_planes(context, layout, apply);
}

}  // namespace s2sam::norm
