#include "cuda/check_indices.hpp"
#include "cuda/half.hpp"
#include "s2sam/ops.hpp"
#include "s2sam/random.hpp"

namespace s2sam::ops {

namespace {

/// Where an image's crop begins, relative to the unpadded image, and whether it is mirrored.
struct Choice {
  int row = 0, col = 0;
  bool flip = false;
};

__device__ Choice choose(const Augment& options, std::int32_t index, std::uint32_t epoch) {
  if (options.pad == 0 && !options.flip) return {};
  const auto words = Philox{{options.key[0], options.key[1]}}(static_cast<std::uint32_t>(index), 0, epoch, 0);
  const auto offsets = static_cast<std::uint32_t>(2 * options.pad + 1);
  return {static_cast<int>(words.word[0] % offsets) - options.pad,
          static_cast<int>(words.word[1] % offsets) - options.pad,
          options.flip && (words.word[2] >> 31) != 0};
}

struct Images {
  const std::uint8_t* data;
  int channels, height, width;
};

/// What one pixel of y is read from: the first channel of a pixel, or null for black.
__device__ const std::uint8_t* source(const Images& images, std::int32_t index, const Choice& choice, int pixel) {
  const int at = pixel % images.width;
  const int row = pixel / images.width + choice.row;
  const int col = (choice.flip ? images.width - 1 - at : at) + choice.col;
  if (row < 0 || row >= images.height || col < 0 || col >= images.width) return nullptr;
  const std::int64_t pixels = std::int64_t{images.height} * images.width;
  return images.data + std::int64_t{index} * images.channels * pixels + std::int64_t{row} * images.width + col;
}

/// f32 (lambda, x0, y0, x1, y1), or null where rows are not mixed.
struct Mix {
  const float* value;

  __device__ bool cuts() const { return value != nullptr && value[1] < value[3] && value[2] < value[4]; }
  __device__ bool cuts(int row, int col) const {
    const auto r = static_cast<float>(row), c = static_cast<float>(col);
    return cuts() && c >= value[1] && c < value[3] && r >= value[2] && r < value[4];
  }
  __device__ bool blends() const { return value != nullptr && !cuts() && value[0] != 1.0F; }
};

/// A thread for each pixel of y, which is [N, H, W, C].
template <class T>
__global__ void augment_kernel(Images images, Indices indices, const std::int32_t* clock, const float* mean,
                               const float* std, Augment options, Mix mix, T* y) {
  indices.check();
  const auto epoch = static_cast<std::uint32_t>(*clock);
  const std::int64_t pixels = std::int64_t{images.height} * images.width;
  each_item(indices.count * pixels, [&](std::int64_t i) {
    const std::int64_t n = i / pixels;
    const std::int64_t partner = n == 0 ? indices.count - 1 : n - 1;
    if (!indices.good(n) || (mix.value != nullptr && !indices.good(partner))) return;
    const auto pixel = static_cast<int>(i - n * pixels);
    const auto from = [&](std::int64_t image) {
      const std::int32_t index = indices.index[image];
      return source(images, index, choose(options, index, epoch), pixel);
    };
    const auto normalised = [&](const std::uint8_t* at, int c) {
      const float value = at == nullptr ? 0.0F : static_cast<float>(at[c * pixels]);
      return value * (1.0F / (255.0F * std[c])) - mean[c] / std[c];
    };
    const bool cut = mix.cuts(pixel / images.width, pixel % images.width), blend = mix.blends();
    const std::uint8_t* own = from(cut ? partner : n);
    const std::uint8_t* other = blend ? from(partner) : nullptr;
    for (int c = 0; c < images.channels; ++c) {
      float value = normalised(own, c);
      if (blend) value = mix.value[0] * value + (1.0F - mix.value[0]) * normalised(other, c);
      y[i * images.channels + c] = from_float<T>(value);
    }
  });
}

}  // namespace

void augment(Stream& stream, Tensor images, Tensor indices, Tensor clock, Tensor mean, Tensor std, Augment options,
             Tensor mix, Tensor y) {
  constexpr const char* name = "augment";
  stream.submit(name, [&](const Op& op) {
    op.count({.bytes = bytes_of(y)});
    const Images from{images.as<const std::uint8_t>(), static_cast<int>(images.shape[1]),
                      static_cast<int>(images.shape[2]),
                      static_cast<int>(images.shape[3])};
    const Indices checked{name, "indices", indices.as<const std::int32_t>(), indices.shape[0], images.shape[0],
                          op.faults()};
    const std::int64_t pixels = y.shape[0] * y.shape[2] * y.shape[3];
    with_float_type(y.dtype, [&](auto zero) {
      using T = decltype(zero);
      launch(op, augment_kernel<T>, blocks_for(op, pixels), block_threads, from, checked,
             clock.as<const std::int32_t>(),
             mean.as<const float>(), std.as<const float>(), options, Mix{mix.as<const float>()}, y.as<T>());
    });
  });
}

}  // namespace s2sam::ops
