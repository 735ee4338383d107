#include "cuda/conv/pad_channels.hpp"
#include "cuda/half.hpp"
#include "cuda/launch.hpp"

namespace s2sam::conv {

namespace {

constexpr int group = 4;  // channels written at once

template <class T>
__global__ void pad(std::int64_t groups, int from_channels, int to_channels, const T* __restrict__ from,
                    Vec<T, group>* __restrict__ to) {
  each_item(groups, [=](std::int64_t i) {
    const std::int64_t pixel = i * group / to_channels;
    const int channel = static_cast<int>(i * group % to_channels);
    Vec<T, group> out;
    for (int k = 0; k < group; ++k) {
      out.value[k] = channel + k < from_channels ? from[pixel * from_channels + channel + k] : from_float<T>(0);
    }
    to[i] = out;
  });
}

}  // namespace

void pad_channels(const Op& op, const Tensor& images, std::int64_t channels, void* to) {
  const std::int64_t from_channels = images.shape[1];
  const std::int64_t groups = images.shape.count() / from_channels * channels / group;
  with_float_type(images.dtype, [&](auto type) {
    using T = decltype(type);
    launch(op, pad<T>, blocks_for(op, groups), block_threads, groups, static_cast<int>(from_channels),
           static_cast<int>(channels), images.as<const T>(), static_cast<Vec<T, group>*>(to));
  });
}

}  // namespace s2sam::conv
