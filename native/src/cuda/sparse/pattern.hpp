#pragma once

#include <cstdint>
#include <memory>

#include "cuda/stream/kept_block.hpp"
#include "s2sam/mask.hpp"
#include "s2sam/tensor.hpp"

/// The kept weights of a mask as compressed rows of a matrix, worked out on the device.
namespace s2sam::sparse {

/// Compressed rows of the weights [O, I] or of their transpose, without values.
class Pattern {
 public:
  /// Rows are filters (or channels, of the transpose). `kept`: how many weights the mask keeps, or unknown: then this
  /// waits for the device to tell. Not while a step is recorded.
  static constexpr std::int64_t unknown = -1;
  Pattern(const Op& op, const Mask& mask, bool transposed, std::int64_t kept);

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  std::int64_t kept() const { return kept_; }
  /// i32 [rows + 1]
  std::int32_t* offsets() const { return offsets_->as<std::int32_t>(); }
  /// i32 [kept], growing within a row
  std::int32_t* column_of() const { return indices_->as<std::int32_t>(); }
  /// i32 [kept], the position of each in the row-major weights
  std::int32_t* source() const { return column_of() + kept_; }

 private:
  std::int64_t rows_, columns_, kept_;
  std::unique_ptr<KeptBlock> offsets_, indices_;
};

/// values[k] = w[source[k]], in the type `dtype`.
void gather_values(const Op& op, const Pattern& pattern, const Tensor& w, DType dtype, void* values);
/// dw[source[k]] (+)= values[k], f32.
void scatter_values(const Op& op, const Pattern& pattern, const float* values, bool accumulate, const Tensor& dw);

}  // namespace s2sam::sparse
