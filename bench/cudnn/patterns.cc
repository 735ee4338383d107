#include "patterns.hpp"

namespace s2sam::bench {

bool any_layer(const Layer&) { return true; }
bool is_product(const Layer& layer) { return layer.kernel == 1 && layer.stride == 1; }
bool is_inner(const Layer& layer) { return layer.kernel < 7; }

Extents input_of(const Layer& layer, std::int64_t batch) { return {batch, layer.c, layer.size, layer.size}; }
Extents weights_of(const Layer& layer) { return {layer.o, layer.c, layer.kernel, layer.kernel}; }
Extents output_of(const Layer& layer, std::int64_t batch) { return {batch, layer.o, layer.out(), layer.out()}; }

}  // namespace s2sam::bench
