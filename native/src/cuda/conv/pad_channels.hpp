#pragma once

#include <cstdint>

#include "cuda/stream/stream.hpp"
#include "s2sam/tensor.hpp"

namespace s2sam::conv {

/// to [pixels, channels], a multiple of 4 of them, = the images' channels and then zeros.
void pad_channels(const Op& op, const Tensor& images, std::int64_t channels, void* to);

}  // namespace s2sam::conv
