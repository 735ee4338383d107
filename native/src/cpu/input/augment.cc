#include <algorithm>
#include <cmath>

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

/// Columns of a row, from `first` to before `last`.
struct Columns {
  int first = 0, last = 0;
};

/// Writes columns of one row of one image into its lane of a tile [w][16]; black where the crop leaves the image.
void place_row(const std::uint8_t* image_row, int w, const Choice& choice, Columns columns, std::uint8_t* tile) {
  // In the order of the image, which a flip mirrors.
  const int begin = choice.flip ? w - columns.last : columns.first, end = choice.flip ? w - columns.first : columns.last;
  const int first = std::clamp(-choice.col, begin, end), last = std::clamp(w - choice.col, first, end);
  const int step = choice.flip ? -lanes : lanes;
  std::uint8_t* to = choice.flip ? tile + (w - 1) * lanes : tile;
  for (int c = begin; c < first; ++c) to[c * step] = 0;
  for (int c = first; c < last; ++c) to[c * step] = image_row[c + choice.col];
  for (int c = last; c < end; ++c) to[c * step] = 0;
}

void place_black(Columns columns, std::uint8_t* tile) {
  for (int c = columns.first; c < columns.last; ++c) tile[c * lanes] = 0;
}

/// How rows are mixed with the rows before them.
struct Mix {
  float lambda = 1.0F;
  Columns columns, rows;

  bool cuts() const { return columns.first < columns.last && rows.first < rows.last; }
  bool cuts(int row) const { return cuts() && row >= rows.first && row < rows.last; }
  bool blends() const { return !cuts() && lambda != 1.0F; }
};

Mix read_mix(const Tensor& mix, int w, int h) {
  if (mix.data == nullptr) return {};
  const auto* value = mix.as<const float>();
  const auto within = [](float at, int size) {
    return static_cast<int>(std::fmin(std::fmax(at, 0.0F), static_cast<float>(size)));
  };
  return {value[0], {within(value[1], w), within(value[3], w)}, {within(value[2], h), within(value[4], h)}};
}

/// The images of a batch, one channel at a time, as rows of tiles.
struct Batch {
  const std::uint8_t* images;
  const std::int32_t* index;
  std::int64_t count, channels;
  int h, w;

  /// Columns of row r, once cropped and flipped, of image n of the batch.
  void place(std::int64_t n, std::int64_t channel, int r, const Choice& choice, Columns columns,
             std::uint8_t* tile) const {
    const int from = r + choice.row;
    if (from < 0 || from >= h) return place_black(columns, tile);
    const std::int64_t plane = index[n] * channels + channel;
    place_row(images + (plane * h + from) * w, w, choice, columns, tile);
  }

  std::int64_t partner(std::int64_t n) const { return n == 0 ? count - 1 : n - 1; }
};

}  // namespace

void augment(Stream& stream, Tensor images, Tensor indices, Tensor clock, Tensor mean, Tensor std, Augment options,
             Tensor mix, Tensor y) {
  stream.submit("augment", [=](Context& context) {
    check_indices("augment", "indices", indices, images.shape[0]);
    const NormaliseKernels& kernels = normalise_kernels_for(context.isa());
    const auto epoch = static_cast<std::uint32_t>(*clock.as<const std::int32_t>());
    const ActivationLayout out(y);
    const int h = static_cast<int>(out.h), w = static_cast<int>(out.w);
    const Batch batch{images.as<const std::uint8_t>(), indices.as<const std::int32_t>(), indices.shape[0], out.c, h, w};
    const Mix mixing = read_mix(mix, w, h);
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
      Choice choices[lanes], partners[lanes];
      for (int lane = 0; lane < live; ++lane) {
        scale[lane] = 1.0F / (255.0F * deviation);
        shift[lane] = -mean.as<const float>()[channel] / deviation;
        const std::int64_t n = block * lanes + lane;
        choices[lane] = choose(options, batch.index[n], epoch);
        if (mix.data != nullptr) partners[lane] = choose(options, batch.index[batch.partner(n)], epoch);
      }
      const auto place = [&](int r, bool partner, Columns columns) {
        for (int lane = 0; lane < live; ++lane) {
          const std::int64_t n = block * lanes + lane;
          batch.place(partner ? batch.partner(n) : n, channel, r, partner ? partners[lane] : choices[lane], columns,
                      tile + lane);
        }
      };
      for (int r = 0; r < h; ++r) {
        float* row = y.as<float>() + out.at(block, channel, r);
        place(r, false, {0, w});
        if (mixing.cuts(r)) place(r, true, mixing.columns);
        kernels.row(tile, scale, shift, w, row);
        if (!mixing.blends()) continue;
        place(r, true, {0, w});
        kernels.blend_row(tile, scale, shift, mixing.lambda, w, row);
      }
    });
  });
}

}  // namespace s2sam::ops
