#pragma once

#include <string>
#include <vector>

#include "graph_builder.hpp"
#include "layers.hpp"

namespace s2sam::bench {

/// Operations that might be one kernel.
struct Pattern {
  std::string family, name;
  bool (*fits)(const Layer&);
  void (*describe)(GraphBuilder&, const Layer&, std::int64_t batch);
};

bool any_layer(const Layer&);
/// A product of matrices: 1x1 without stride.
bool is_product(const Layer&);
/// Not the stem, which has no data gradient and nothing normalized before it.
bool is_inner(const Layer&);

/// What a convolution reads and writes.
Extents input_of(const Layer& layer, std::int64_t batch);
Extents weights_of(const Layer& layer);
Extents output_of(const Layer& layer, std::int64_t batch);

std::vector<Pattern> forward_patterns();   ///< for every convolution
std::vector<Pattern> backward_patterns();  ///< for every convolution
std::vector<Pattern> image_patterns();     ///< for every image, without a convolution

}  // namespace s2sam::bench
