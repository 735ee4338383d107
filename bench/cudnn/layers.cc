#include "layers.hpp"

#include <algorithm>

namespace s2sam::bench {

namespace {

Layer layer(std::int64_t c, std::int64_t size, std::int64_t o, std::int64_t kernel, std::int64_t stride = 1) {
  const std::string taps = std::to_string(kernel);
  const std::string name = taps + "x" + taps + (stride == 1 ? "" : "/" + std::to_string(stride)) + " " + std::to_string(c) +
                           "->" + std::to_string(o) + " @" + std::to_string(size);
  return {name, c, size, o, kernel, stride};
}

}  // namespace

conv::Problem Layer::problem(conv::Pass pass, std::int64_t batch) const {
  conv::Problem p{};
  p.pass = pass;
  p.n = batch;
  p.c = c;
  p.h = p.w = size;
  p.o = o;
  p.out_h = p.out_w = out();
  p.kernel_h = p.kernel_w = kernel;
  p.stride_h = p.stride_w = static_cast<int>(stride);
  p.pad_h = p.pad_w = static_cast<int>(kernel / 2);
  return p;
}

std::vector<Layer> convolutions() {
  std::vector<Layer> result{layer(4, 224, 64, 7, 2), layer(8, 224, 64, 7, 2), layer(64, 56, 64, 1)};
  for (std::int64_t inner = 64, size = 56; inner <= 512; inner *= 2, size /= 2) {
    if (inner > 64) {
      result.push_back(layer(2 * inner, 2 * size, inner, 1));
      result.push_back(layer(inner, 2 * size, inner, 3, 2));
      result.push_back(layer(2 * inner, 2 * size, 4 * inner, 1, 2));
    }
    result.push_back(layer(inner, size, 4 * inner, 1));
    result.push_back(layer(4 * inner, size, inner, 1));
    result.push_back(layer(inner, size, inner, 3));
  }
  return result;
}

std::vector<Layer> images() {
  std::vector<Layer> result;
  for (const Layer& one : convolutions()) {
    const Layer image{std::to_string(one.o) + " @" + std::to_string(one.out()), one.o, one.out(), one.o, 1, 1};
    if (std::none_of(result.begin(), result.end(), [&](const Layer& known) { return known.name == image.name; })) {
      result.push_back(image);
    }
  }
  return result;
}

}  // namespace s2sam::bench
