#include <cstring>

#include "cpu/check_indices.hpp"
#include "cpu/chunks.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

void gather(Stream& stream, Tensor x, Tensor indices, Tensor y) {
  stream.submit("gather", [=](Context& context) {
    check_indices("gather", "indices", indices, x.shape[0]);
    const std::int64_t rows = indices.shape.count();
    std::size_t row_bytes = size_of(x.dtype);
    for (int axis = 1; axis < x.shape.rank(); ++axis) row_bytes *= static_cast<std::size_t>(x.shape[axis]);
    parallel_items(context, rows, static_cast<std::ptrdiff_t>(row_bytes / sizeof(float)), [&](std::ptrdiff_t i) {
      const auto from = static_cast<std::size_t>(indices.as<const std::int32_t>()[i]);
      const auto to = static_cast<std::size_t>(i);
      std::memcpy(y.as<char>() + to * row_bytes, x.as<const char>() + from * row_bytes, row_bytes);
    });
  });
}

}  // namespace s2sam::ops
