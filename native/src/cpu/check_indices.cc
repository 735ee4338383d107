#include "cpu/check_indices.hpp"

#include "s2sam/wrong_data.hpp"

namespace s2sam {

void check_indices(const char* op, const char* what, const Tensor& indices, std::int64_t limit) {
  const auto* index = indices.as<const std::int32_t>();
  const std::int64_t count = indices.shape.count();
  for (std::int64_t i = 0; i < count; ++i) {
    if (index[i] >= 0 && index[i] < limit) continue;
    throw index_out_of_range(op, what, i, index[i], limit);
  }
}

}  // namespace s2sam
