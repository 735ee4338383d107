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

/// A thread for each pixel of y, which is [N, H, W, C].
template <class T>
__global__ void augment_kernel(Images images, Indices indices, const std::int32_t* clock, const float* mean,
                               const float* std,
                               Augment options, T* y) {
  indices.check();
  const auto epoch = static_cast<std::uint32_t>(*clock);
  const std::int64_t pixels = std::int64_t{images.height} * images.width;
  each_item(indices.count * pixels, [&](std::int64_t i) {
    const std::int64_t n = i / pixels;
    if (!indices.good(n)) return;
    const auto pixel = static_cast<int>(i - n * pixels);
    const Choice choice = choose(options, indices.index[n], epoch);
    const int at = pixel % images.width;
    const int row = pixel / images.width + choice.row;
    const int col = (choice.flip ? images.width - 1 - at : at) + choice.col;
    const bool inside = row >= 0 && row < images.height && col >= 0 && col < images.width;
    const std::uint8_t* image = images.data + std::int64_t{indices.index[n]} * images.channels * pixels;
    const std::uint8_t* from = image + std::int64_t{row} * images.width + col;
    for (int c = 0; c < images.channels; ++c) {
      const float value = inside ? static_cast<float>(from[c * pixels]) : 0.0F;
      y[i * images.channels + c] = from_float<T>(value * (1.0F / (255.0F * std[c])) - mean[c] / std[c]);
    }
  });
}

}  // namespace

void augment(Stream& stream, Tensor images, Tensor indices, Tensor clock, Tensor mean, Tensor std, Augment options,
             Tensor y) {
  constexpr const char* name = "augment";
  stream.submit(name, [&](const Op& op) {
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
             mean.as<const float>(), std.as<const float>(), options, y.as<T>());
    });
  });
}

}  // namespace s2sam::ops
