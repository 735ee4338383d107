#include <algorithm>
#include <limits>

#include "cuda/check_indices.hpp"
#include "cuda/chunk.hpp"
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

  /// Of one image.
  __host__ __device__ int size() const { return channels * height * width; }
};

/// An element of an image of y, [H, W, C].
struct Cursor {
  int row, column, channel;

  __device__ Cursor(const Images& images, unsigned element) {
    const auto channels = static_cast<unsigned>(images.channels), width = static_cast<unsigned>(images.width);
    const unsigned pixel = element / channels;
    channel = static_cast<int>(element - pixel * channels);
    row = static_cast<int>(pixel / width);
    column = static_cast<int>(pixel) - row * images.width;
  }

  __device__ void advance(const Images& images) {
    const bool last_channel = ++channel == images.channels;
    channel = last_channel ? 0 : channel;
    column += last_channel ? 1 : 0;
    const bool last_column = column == images.width;
    column = last_column ? 0 : column;
    row += last_column ? 1 : 0;
  }
};

/// An image as it is cropped and mirrored: pixel (row, column) of y shows (row + top, step * column + left).
struct View {
  std::int64_t image;  ///< its first element
  int top, left, step;

  /// 0, which is black, outside the image and where it is not wanted. No load waits for a branch.
  __device__ std::uint8_t at(const Images& images, const Cursor& at, bool wanted) const {
    const int row = at.row + top, column = step * at.column + left;
    const bool shown = wanted && row >= 0 && row < images.height && column >= 0 && column < images.width;
    const int element = (at.channel * images.height + row) * images.width + column;
    const std::uint8_t byte = images.data[image + static_cast<unsigned>(shown ? element : 0)];
    return shown ? byte : 0;
  }
};

__device__ View view_of(const Images& images, std::int32_t index, const Choice& choice) {
  const std::int64_t image = std::int64_t{index} * images.size();
  if (choice.flip) return {image, choice.row, images.width - 1 + choice.col, -1};
  return {image, choice.row, choice.col, 1};
}

/// How the partner of an image comes in: in a box, alone or blended with the image.
struct Mix {
  int left = 0, top = 0, right = 0, bottom = 0;
  bool blends = false;
  float lambda = 0;

  __device__ bool none() const { return left >= right || top >= bottom; }
  __device__ bool holds(const Cursor& at) const {
    return at.column >= left && at.column < right && at.row >= top && at.row < bottom;
  }
  __device__ float of(float own, float partner) const {
    return blends ? lambda * own + (1.0F - lambda) * partner : partner;
  }
};

/// `value`: f32 (lambda, x0, y0, x1, y1), or null where images are not mixed.
__device__ Mix mix_of(const float* value, const Images& images) {
  if (value == nullptr) return {};
  if (!(value[1] < value[3] && value[2] < value[4])) {
    return value[0] == 1.0F ? Mix{} : Mix{0, 0, images.width, images.height, true, value[0]};
  }
  const auto first_from = [](float at, int size) {
    return static_cast<int>(ceilf(fminf(fmaxf(at, 0.0F), static_cast<float>(size))));
  };
  return {first_from(value[1], images.width), first_from(value[2], images.height),
          first_from(value[3], images.width), first_from(value[4], images.height)};
}

/// Makes a byte a number of mean 0 and deviation 1.
struct Scale {
  float factor, shift;

  __device__ float operator()(std::uint8_t byte) const { return static_cast<float>(byte) * factor - shift; }
};

struct Statistics {
  const float *mean, *std;

  __device__ Scale of(int channel) const {
    return {1.0F / (255.0F * std[channel]), mean[channel] / std[channel]};
  }
};

/// What a view shows from `at` on.
template <class ScaleOf>
__device__ void read(const Images& images, const View& view, Cursor at, const ScaleOf& scale_of,
                     float (&value)[chunk_size]) {
  std::uint8_t byte[chunk_size];
  Scale scale[chunk_size];
  for (int k = 0; k < chunk_size; ++k, at.advance(images)) {
    byte[k] = view.at(images, at, true);
    scale[k] = scale_of(at.channel);
  }
  for (int k = 0; k < chunk_size; ++k) value[k] = scale[k](byte[k]);
}

template <class ScaleOf>
__device__ void mix_in(const Images& images, const View& partner, const Mix& mix, Cursor at, const ScaleOf& scale_of,
                       float (&value)[chunk_size]) {
  for (int k = 0; k < chunk_size; ++k, at.advance(images)) {
    const bool mixed = mix.holds(at);
    const float second = scale_of(at.channel)(partner.at(images, at, mixed));
    value[k] = mixed ? mix.of(value[k], second) : value[k];
  }
}

/// Channels of which a block keeps the scales, so that it divides but once.
constexpr int kept_scales = 64;

/// Blocks: `tiles` for each image of y, [N, H, W, C]. What holds for a whole image is worked out once in a block; so are
/// the scales where there are no more channels than can be `kept`.
template <class T, bool kept>
__global__ void augment_kernel(Images images, Indices indices, const std::int32_t* clock, Statistics statistics,
                               Augment options, const float* mix_values, unsigned tiles, T* y) {
  __shared__ View views[2];  // the image's own and its partner's
  __shared__ Scale scales[kept_scales];
  indices.check();
  const std::int64_t n = blockIdx.x / tiles;
  const std::int64_t partner = mix_values == nullptr ? n : n == 0 ? indices.count - 1 : n - 1;
  if (!indices.good(n) || !indices.good(partner)) return;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < 2) {
    const std::int32_t index = indices.index[thread == 0 ? n : partner];
    views[thread] = view_of(images, index, choose(options, index, static_cast<std::uint32_t>(*clock)));
  }
  if (kept && thread < images.channels) scales[thread] = statistics.of(thread);
  __syncthreads();

  const auto scale_of = [&](int channel) { return kept ? scales[channel] : statistics.of(channel); };
  const View own = views[0], other = views[1];
  const Mix mix = mix_of(mix_values, images);
  const Span span{images.size(), images.size() % chunk_size == 0};
  for (unsigned i = blockIdx.x % tiles * block_threads + threadIdx.x; i < span.chunks(); i += tiles * block_threads) {
    const Cursor at(images, i * chunk_size);
    float value[chunk_size];
    read(images, own, at, scale_of, value);
    if (!mix.none()) mix_in(images, other, mix, at, scale_of, value);
    Chunk<T> out;
    for (int k = 0; k < chunk_size; ++k) out.set(k, value[k]);
    span.store(out, y + n * images.size(), i);
  }
}

/// The last few places of a chunk may lie past the end of an image, and are counted in 32 bits as well.
Images images_of(const Tensor& x) {
  constexpr std::int64_t most = std::numeric_limits<int>::max() - chunk_size;
  if (x.shape[1] * x.shape[2] * x.shape[3] > most) {
    throw Error(Code::argument, "augment", "images " + x.shape.string() + " are more than a GPU's indices reach");
  }
  const auto extent = [&](int axis) { return static_cast<int>(x.shape[axis]); };
  return {x.as<const std::uint8_t>(), extent(1), extent(2), extent(3)};
}

/// Blocks for each of `count` images: all that have a turn, or as many as fill the device some times over.
unsigned tiles_for(const Op& op, const Images& images, std::int64_t count) {
  const std::int64_t turns = (Span{images.size()}.chunks() + block_threads - 1) / block_threads;
  return static_cast<unsigned>(std::min(turns, (blocks_for(op, turns * count * block_threads) + count - 1) / count));
}

}  // namespace

void augment(Stream& stream, Tensor images, Tensor indices, Tensor clock, Tensor mean, Tensor std, Augment options,
             Tensor mix, Tensor y) {
  constexpr const char* name = "augment";
  stream.submit(name, [&](const Op& op) {
    op.count({.bytes = bytes_of(y)});
    const Images from = images_of(images);
    const Indices checked{name, "indices", indices.as<const std::int32_t>(), indices.shape[0], images.shape[0],
                          op.faults()};
    const unsigned tiles = tiles_for(op, from, indices.shape[0]);
    const auto blocks = static_cast<unsigned>(indices.shape[0] * tiles);
    with_float_type(y.dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto kernel = from.channels <= kept_scales ? augment_kernel<T, true> : augment_kernel<T, false>;
      launch(op, kernel, blocks, block_threads, from, checked, clock.as<const std::int32_t>(),
             Statistics{mean.as<const float>(), std.as<const float>()}, options, mix.as<const float>(), tiles,
             y.as<T>());
    });
  });
}

}  // namespace s2sam::ops
