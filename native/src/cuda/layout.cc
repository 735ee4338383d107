#include "s2sam/tensor.hpp"

namespace s2sam {

bool stores(DType) { return true; }

/// Images are [N, H, W, C] without borders.
std::size_t storage_bytes(const Shape& shape, DType dtype, Format, int) {
  return static_cast<std::size_t>(shape.count()) * size_of(dtype);
}

}  // namespace s2sam
