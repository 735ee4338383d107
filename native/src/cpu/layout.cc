#include "cpu/layout.hpp"

namespace s2sam {

bool stores(DType dtype) { return !is_half(dtype); }

std::size_t storage_bytes(const Shape& shape, DType dtype, Format format, int border) {
  if (format == Format::plain) return static_cast<std::size_t>(shape.count()) * size_of(dtype);
  const ActivationLayout layout(Tensor{shape, dtype, format, border, nullptr});
  return static_cast<std::size_t>(layout.floats()) * sizeof(float);
}

}  // namespace s2sam
