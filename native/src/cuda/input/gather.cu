#include "cuda/check_indices.hpp"
#include "cuda/chunk.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

/// Rows of `size` units; those of bad indices are left as they are.
template <class Unit>
__global__ void gather_kernel(const Unit* x, Indices indices, std::int64_t size, Unit* y) {
  indices.check();
  each_item(indices.count * size, [&](std::int64_t i) {
    const std::int64_t row = i / size;
    if (indices.good(row)) y[i] = x[indices.index[row] * size + i - row * size];
  });
}

}  // namespace

void gather(Stream& stream, Tensor x, Tensor indices, Tensor y) {
  constexpr const char* name = "gather";
  stream.submit(name, [&](const Op& op) {
    const std::int64_t rows = indices.shape.count();
    const std::int64_t bytes = x.shape.count() / x.shape[0] * static_cast<std::int64_t>(size_of(x.dtype));
    const Indices checked{name, "indices", indices.as<const std::int32_t>(), rows, x.shape[0], op.faults()};
    const auto by_units = [&](auto unit) {
      using Unit = decltype(unit);
      const std::int64_t size = bytes / static_cast<std::int64_t>(sizeof(Unit));
      launch(op, gather_kernel<Unit>, blocks_for(op, rows * size), block_threads, x.as<const Unit>(), checked, size,
             y.as<Unit>());
    };
    if (bytes % 16 == 0 && is_aligned(x.data) && is_aligned(y.data)) return by_units(Vec<std::uint32_t, 4>{});
    if (bytes % 4 == 0 && size_of(x.dtype) == 4) return by_units(std::uint32_t{});
    by_units(std::uint8_t{});
  });
}

}  // namespace s2sam::ops
