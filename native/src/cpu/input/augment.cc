#include <algorithm>

#include "cpu/activation.hpp"
#include "cpu/check_indices.hpp"
#include "cpu/input/normalise.kernels.hpp"
#include "s2sam/ops.hpp"
#include "s2sam/random.hpp"

namespace s2sam::ops {

namespace {

constexpr int lanes = ActivationLayout::lanes;

/// Where an image's crop begins, relative to the unpadded image, and whether it is mirrored.
struct Choice {
  int row = 0, col = 0;
  bool flip = false;
};

Choice choose(const Augment& options, std::int32_t index, std::uint32_t epoch) {
  if (options.pad == 0 && !options.flip) return {};
  const auto words = Philox{{options.key[0], options.key[1]}}(static_cast<std::uint32_t>(index), 0, epoch, 0);
  const auto offsets = static_cast<std::uint32_t>(2 * options.pad + 1);
  return {static_cast<int>(words.word[0] % offsets) - options.pad,
          static_cast<int>(words.word[1] % offsets) - options.pad, options.flip && (words.word[2] >> 31) != 0};
}

/// Writes one row of one image into its lane of a tile [w][16]; black where the crop leaves the image.
void place_row(const std::uint8_t* image_row, int w, const Choice& choice, std::uint8_t* tile) {
  const int first = std::max(0, -choice.col), last = std::min(w, w - choice.col);
  const int step = choice.flip ? -lanes : lanes;
  std::uint8_t* to = choice.flip ? tile + (w - 1) * lanes : tile;
  for (int c = 0; c < first; ++c) to[c * step] = 0;
  for (int c = first; c < last; ++c) to[c * step] = image_row[c + choice.col];
  for (int c = std::max(first, last); c < w; ++c) to[c * step] = 0;
}

void place_black(int w, std::uint8_t* tile) {
  for (int c = 0; c < w; ++c) tile[c * lanes] = 0;
}

}  // namespace

void augment(Stream& stream, Tensor images, Tensor indices, Tensor clock, Tensor mean, Tensor std, Augment options,
             Tensor y) {
  stream.submit("augment", [=](Context& context) {
    check_indices("augment", "indices", indices, images.shape[0]);
    const auto normalise_row = normalise_kernels_for(context.isa()).row;
    const auto epoch = static_cast<std::uint32_t>(*clock.as<const std::int32_t>());
    const auto* index = indices.as<const std::int32_t>();
    const ActivationLayout out(y);
    const int h = static_cast<int>(out.h), w = static_cast<int>(out.w);
    const std::int64_t tile_bytes = out.w * lanes;
    auto* tiles =
        static_cast<std::uint8_t*>(context.scratch(static_cast<std::size_t>(out.blocks * out.c * tile_bytes)));

    parallel_planes(context, out, [&](std::int64_t block, std::int64_t channel) {
      clear_border(out, y.as<float>(), block, channel);
      const int live = out.live_lanes(block);
      std::uint8_t* tile = tiles + (block * out.c + channel) * tile_bytes;
      std::fill_n(tile, tile_bytes, std::uint8_t{0});
      const float deviation = std.as<const float>()[channel];
      float scale[lanes]{}, shift[lanes]{};
      Choice choices[lanes];
      for (int lane = 0; lane < live; ++lane) {
        scale[lane] = 1.0F / (255.0F * deviation);
        shift[lane] = -mean.as<const float>()[channel] / deviation;
        choices[lane] = choose(options, index[block * lanes + lane], epoch);
      }
      for (int r = 0; r < h; ++r) {
        for (int lane = 0; lane < live; ++lane) {
          const int from = r + choices[lane].row;
          if (from < 0 || from >= h) {
            place_black(w, tile + lane);
            continue;
          }
          const std::int64_t plane = index[block * lanes + lane] * out.c + channel;
          place_row(images.as<const std::uint8_t>() + (plane * h + from) * w, w, choices[lane], tile + lane);
        }
        normalise_row(tile, scale, shift, w, y.as<float>() + out.at(block, channel, r));
      }
    });
  });
}

}  // namespace s2sam::ops
