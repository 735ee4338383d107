#include "cuda/sparse/pattern.hpp"

#include "cuda/block.hpp"
#include "cuda/half.hpp"
#include "s2sam/mask_bits.hpp"

namespace s2sam::sparse {

namespace {

/// The rows of a matrix within the row-major weights: element j of row l lies at l * row_step + j * step.
struct Rows {
  std::int64_t count, length, row_step, step;

  __device__ std::int64_t at(std::int64_t row, std::int64_t j) const { return row * row_step + j * step; }
};

/// Calls body(row) with a warp for each row.
template <class Body>
__device__ void each_row(std::int64_t count, const Body& body) {
  const std::int64_t warps = std::int64_t{gridDim.x} * block_warps;
  const std::int64_t first = std::int64_t{blockIdx.x} * block_warps + threadIdx.x / warp_threads;
  for (std::int64_t row = first; row < count; row += warps) body(row);
}

/// Which of 32 elements from `begin` on are kept; every lane of the warp gets it.
__device__ unsigned kept_of(const std::uint32_t* bits, const Rows& rows, std::int64_t row, std::int64_t begin) {
  const std::int64_t j = begin + threadIdx.x % warp_threads;
  return __ballot_sync(0xFFFFFFFFu, j < rows.length && is_kept(bits, rows.at(row, j)));
}

/// offsets[l] = kept elements in the rows before l.
__global__ void offsets_kernel(const std::uint32_t* bits, Rows rows, std::int32_t* offsets, unsigned* ticket) {
  each_row(rows.count, [&](std::int64_t row) {
    int kept = 0;
    for (std::int64_t begin = 0; begin < rows.length; begin += warp_threads) {
      kept += __popc(kept_of(bits, rows, row, begin));
    }
    if (threadIdx.x % warp_threads == 0) offsets[row] = kept;
  });
  if (is_first_thread()) offsets[rows.count] = 0;
  if (is_last_block(ticket)) scan_in_place(offsets, rows.count + 1);
}

__global__ void indices_kernel(const std::uint32_t* bits, Rows rows, const std::int32_t* offsets,
                               std::int32_t* column_of, std::int32_t* source) {
  each_row(rows.count, [&](std::int64_t row) {
    const unsigned lane = threadIdx.x % warp_threads;
    std::int32_t next = offsets[row];
    for (std::int64_t begin = 0; begin < rows.length; begin += warp_threads) {
      const unsigned kept = kept_of(bits, rows, row, begin);
      if ((kept >> lane & 1u) != 0) {
        const std::int32_t k = next + __popc(kept & ((1u << lane) - 1u));
        column_of[k] = static_cast<std::int32_t>(begin + lane);
        source[k] = static_cast<std::int32_t>(rows.at(row, begin + lane));
      }
      next += __popc(kept);
    }
  });
}

template <class From, class To>
__global__ void gather_kernel(const std::int32_t* source, std::int64_t count, const From* w, To* values) {
  each_item(count, [&](std::int64_t k) { values[k] = from_float<To>(to_float(w[source[k]])); });
}

__global__ void scatter_kernel(const std::int32_t* source, std::int64_t count, const float* values, bool accumulate,
                               float* dw) {
  each_item(count, [&](std::int64_t k) {
    float& to = dw[source[k]];
    to = accumulate ? to + values[k] : values[k];
  });
}

Rows rows_of(const Mask& mask, bool transposed) {
  const std::int64_t filters = mask.shape[0], channels = mask.count / filters;
  return transposed ? Rows{channels, filters, 1, channels} : Rows{filters, channels, channels, 1};
}

}  // namespace

Pattern::Pattern(const Op& op, const Mask& mask, bool transposed, std::int64_t kept) : kept_(kept) {
  const Rows rows = rows_of(mask, transposed);
  rows_ = rows.count;
  columns_ = rows.length;
  offsets_ = std::make_unique<KeptBlock>(op.stream(), static_cast<std::size_t>(rows_ + 1) * sizeof(std::int32_t));
  const auto* bits = mask.bits.as<const std::uint32_t>();
  const unsigned blocks = blocks_for(op, rows_ * warp_threads);
  launch(op, offsets_kernel, blocks, block_threads, bits, rows, offsets(), op.ticket());
  if (kept_ == unknown) {
    std::int32_t total = 0;
    op.stream().read_now(op.name(), offsets() + rows_, &total, sizeof total);
    kept_ = total;
  }
  indices_ = std::make_unique<KeptBlock>(op.stream(), 2 * static_cast<std::size_t>(kept_) * sizeof(std::int32_t));
  launch(op, indices_kernel, blocks, block_threads, bits, rows, offsets(), column_of(), source());
}

void gather_values(const Op& op, const Pattern& pattern, const Tensor& w, DType dtype, void* values) {
  with_float_type(w.dtype, [&](auto from) {
    with_float_type(dtype, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      launch(op, gather_kernel<From, To>, blocks_for(op, pattern.kept()), block_threads, pattern.source(),
             pattern.kept(), w.as<const From>(), static_cast<To*>(values));
    });
  });
}

void scatter_values(const Op& op, const Pattern& pattern, const float* values, bool accumulate, const Tensor& dw) {
  launch(op, scatter_kernel, blocks_for(op, pattern.kept()), block_threads, pattern.source(), pattern.kept(), values,
         accumulate, dw.as<float>());
}

}  // namespace s2sam::sparse
