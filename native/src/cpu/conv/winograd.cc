#include "cpu/conv/winograd.hpp"

#include <algorithm>

#include "cpu/conv/correlate.hpp"
#include "cpu/conv/winograd.kernels.hpp"

namespace s2sam::conv {

namespace {

/// Of each thread: the transformed inputs of its strip of tiles, and the sums of a block of output channels; for the
/// weight gradient the transformed x and dy.
thread_local AlignedBuffer strip_inputs, strip_sums;

/// Sums of so many output channels at a time: few enough for the second-level cache, enough to spread the cost of
/// reading the transformed inputs again.
constexpr int block_channels = 32;

int tiles_of(std::int64_t extent) { return static_cast<int>((extent + winograd_out - 1) / winograd_out); }

WinogradWeights transform_weights(const Call& call, const WinogradKernels& kernels) {
  constexpr std::int64_t lanes = ActivationLayout::lanes;
  const std::int64_t vectors = (call.inputs() + lanes - 1) / lanes;
  const std::int64_t product = ActivationLayout::plane_pixels(call.outputs() * vectors) * lanes;
  auto* values = static_cast<float*>(call.context.scratch(winograd_products * product * sizeof(float), slot_weights));
  const WinogradWeights to{values, product, vectors * lanes, call.inputs()};
  const std::ptrdiff_t out = call.weights.in * 9, in = 9;
  const bool forward = call.direction == Direction::forward;
  const WinogradSource source{call.w.as<const float>(), forward ? out : in, forward ? in : out, !forward};
  call.context.parallel(call.outputs(), [&](std::ptrdiff_t o) { kernels.weights(source, to, static_cast<int>(o)); });
  return to;
}

/// Tile `index` of all tiles of all image blocks.
WinogradTile tile_at(const Call& call, int index) {
  const int down = tiles_of(call.to.h), across = tiles_of(call.to.w);
  const int col = index % across * winograd_out, row = index / across % down * winograd_out;
  const int block = index / across / down;
  return {call.in.as<const float>() + call.from.at(block, 0, row - 1, col - 1),
          call.out.as<float>() + call.to.at(block, 0, row, col),
          std::min(winograd_out, static_cast<int>(call.to.h) - row),
          std::min(winograd_out, static_cast<int>(call.to.w) - col)};
}

/// A strip without its tiles and output channels, with room of this thread.
WinogradStrip strip_for(const Call& call, const WinogradKernels& kernels) {
  constexpr std::int64_t lanes = ActivationLayout::lanes;
  const int block = std::min(block_channels, call.outputs());
  WinogradStrip strip{};
  strip.in_row = call.from.row;
  strip.in_plane = call.from.plane;
  strip.out_row = call.to.row;
  strip.out_plane = call.to.plane;
  strip.input_product = ActivationLayout::plane_pixels(call.inputs() * kernels.tiles) * lanes;
  strip.sum_product = ActivationLayout::plane_pixels(block * kernels.tiles) * lanes;
  const auto room = [](AlignedBuffer& buffer, std::ptrdiff_t product) {
    return static_cast<float*>(buffer.at_least(winograd_products * product * sizeof(float)));
  };
  strip.inputs = room(strip_inputs, strip.input_product);
  strip.sums = room(strip_sums, strip.sum_product);
  strip.block = block;
  strip.accumulate = call.accumulate;
  strip.streams = !call.accumulate && bytes_of(call.out) > streamed_bytes;
  return strip;
}

/// The weight gradient takes so many tiles and channels at a time: enough that folding the images of a sum costs
/// little beside the products, few enough that one product of them stays near and all in the third-level cache.
constexpr int gradient_tiles = 16, gradient_block = 32;

/// One call of the weight gradient; its tiles are cut into segments by a rule that never sees the threads.
struct Gradient {
  Context& context;
  const Tensor &x, &dy;
  ActivationLayout from, to;
  int inputs, outputs, block;
  Split strips, segments;
  WinogradSums sums;
};

Gradient plan_gradient(Context& context, const Tensor& x, const Tensor& dy) {
  constexpr std::int64_t lanes = ActivationLayout::lanes, most_segments = 16, room = std::int64_t{1} << 22;
  const ActivationLayout from(x), to(dy);
  const int inputs = static_cast<int>(from.c), outputs = static_cast<int>(to.c);
  const int block = std::min(gradient_block, (std::max(inputs, outputs) + 3) / 4 * 4);
  const int tiles = static_cast<int>(to.blocks) * tiles_of(to.h) * tiles_of(to.w);
  const Split strips = Split::at_most(tiles, gradient_tiles);
  const std::int64_t row = (inputs + lanes - 1) / lanes * lanes, product = row * outputs;
  const std::int64_t affordable = std::max<std::int64_t>(1, room / (winograd_products * product));
  const auto pieces = static_cast<int>(std::min({most_segments, affordable, std::int64_t{strips.pieces}}));
  const std::int64_t segment = winograd_products * product;
  auto* values = static_cast<float*>(context.scratch(pieces * segment * sizeof(float), slot_sums));
  return {context, x, dy, from, to, inputs, outputs, block, strips, {strips.pieces, pieces},
          {values, segment, product, row}};
}

WinogradPair pair_at(const Gradient& call, int index) {
  const int down = tiles_of(call.to.h), across = tiles_of(call.to.w);
  const int col = index % across * winograd_out, row = index / across % down * winograd_out;
  const int block = index / across / down;
  return {call.x.as<const float>() + call.from.at(block, 0, row - 1, col - 1),
          call.dy.as<const float>() + call.to.at(block, 0, row, col),
          std::min(winograd_out, static_cast<int>(call.to.h) - row),
          std::min(winograd_out, static_cast<int>(call.to.w) - col)};
}

/// Some output channels of one segment.
void add_segment(const Gradient& call, const WinogradKernels& kernels, int segment, int first, int last) {
  constexpr std::int64_t lanes = ActivationLayout::lanes;
  WinogradPair tile[gradient_tiles];
  WinogradGradient strip{};
  strip.tile = tile;
  strip.most_tiles = gradient_tiles;
  strip.x_row = call.from.row;
  strip.x_plane = call.from.plane;
  strip.dy_row = call.to.row;
  strip.dy_plane = call.to.plane;
  strip.product = ActivationLayout::plane_pixels(static_cast<std::int64_t>(call.block) * gradient_tiles) * lanes;
  strip.x = static_cast<float*>(strip_inputs.at_least(winograd_products * strip.product * sizeof(float)));
  strip.dy = static_cast<float*>(strip_sums.at_least(winograd_products * strip.product * sizeof(float)));
  strip.inputs = call.inputs;
  strip.first = first;
  strip.last = last;
  strip.block = call.block;
  strip.sums = call.sums;
  strip.sums.values += segment * call.sums.segment;
  for (int i = 0; i < winograd_products; ++i) {
    std::fill(strip.sums.values + i * call.sums.product + first * call.sums.output,
              strip.sums.values + i * call.sums.product + last * call.sums.output, 0.0F);
  }
  for (int i = call.segments.begin(segment); i < call.segments.end(segment); ++i) {
    strip.tiles = call.strips.end(i) - call.strips.begin(i);
    for (int t = 0; t < strip.tiles; ++t) tile[t] = pair_at(call, call.strips.begin(i) + t);
    kernels.gradient(strip);
  }
}

}  // namespace

bool winograd_fits(const Weights& weights, const ops::Conv2d& geometry) {
  constexpr int fewest_channels = 16;
  return weights.height == 3 && weights.width == 3 && geometry.stride_h == 1 && geometry.stride_w == 1 &&
         geometry.pad_h == 1 && geometry.pad_w == 1 && std::min(weights.in, weights.out) >= fewest_channels;
}

void run_winograd(const Call& call) {
  const WinogradKernels& kernels = conv_winograd_kernels_for(call.context.isa());
  const WinogradWeights weights = transform_weights(call, kernels);
  const int tiles = static_cast<int>(call.to.blocks) * tiles_of(call.to.h) * tiles_of(call.to.w);
  const Split strips = Split::at_most(tiles, kernels.tiles);
  const int blocks = (call.outputs() + block_channels - 1) / block_channels;
  const Split channels{blocks, std::clamp(4 * call.context.threads() / strips.pieces, 1, blocks)};
  call.context.parallel(static_cast<std::ptrdiff_t>(strips.pieces) * channels.pieces, [&](std::ptrdiff_t job) {
    const auto part = static_cast<int>(job % channels.pieces), piece = static_cast<int>(job / channels.pieces);
    const int begin = strips.begin(piece), count = strips.end(piece) - begin;
    WinogradTile tile[WinogradKernels::max_tiles];
    for (int i = 0; i < count; ++i) tile[i] = tile_at(call, begin + i);
    WinogradStrip strip = strip_for(call, kernels);
    strip.tile = tile;
    strip.first = channels.begin(part) * block_channels;
    strip.last = std::min(channels.end(part) * block_channels, call.outputs());
    kernels.strip[count - 1](strip, weights);
  });
}

void winograd_weight_gradient(Context& context, const Tensor& x, const Tensor& dy, bool accumulate, float* dw) {
  const WinogradKernels& kernels = conv_winograd_kernels_for(context.isa());
  const Gradient call = plan_gradient(context, x, dy);
  const int grain = kernels.gradient_channels, grains = (call.outputs + grain - 1) / grain;
  const Split ranges{grains, std::clamp(4 * context.threads() / call.segments.pieces, 1, grains)};
  context.parallel(static_cast<std::ptrdiff_t>(call.segments.pieces) * ranges.pieces, [&](std::ptrdiff_t job) {
    const auto segment = static_cast<int>(job / ranges.pieces), range = static_cast<int>(job % ranges.pieces);
    add_segment(call, kernels, segment, ranges.begin(range) * grain,
                std::min(ranges.end(range) * grain, call.outputs));
  });
  context.parallel(call.outputs, [&](std::ptrdiff_t o) {
    kernels.finish(call.sums, call.segments.pieces, call.inputs, static_cast<int>(o), accumulate, dw);
  });
}

}  // namespace s2sam::conv
