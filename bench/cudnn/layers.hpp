#pragma once

#include <string>
#include <vector>

#include "cuda/conv/problem.hpp"

namespace s2sam::bench {

/// A convolution of ResNet-50 v1.5, or, for patterns without one, an image of `o` channels.
struct Layer {
  std::string name;
  std::int64_t c, size, o, kernel, stride;

  std::int64_t out() const { return size / stride; }
  conv::Problem problem(conv::Pass pass, std::int64_t batch) const;
};

/// Every distinct convolution at 224 x 224, the stem with its 3 channels padded to 4 and to 8.
std::vector<Layer> convolutions();
/// Every distinct image that they write.
std::vector<Layer> images();

}  // namespace s2sam::bench
