#include "cpu/check_indices.hpp"

#include <string>

#include "s2sam/error.hpp"

namespace s2sam {

void check_indices(const char* op, const char* what, const Tensor& indices, std::int64_t limit) {
  const auto* index = indices.as<const std::int32_t>();
  const std::int64_t count = indices.shape.count();
  for (std::int64_t i = 0; i < count; ++i) {
    if (index[i] >= 0 && index[i] < limit) continue;
    throw Error(Code::argument, op,
                std::string(what) + "[" + std::to_string(i) + "] is " + std::to_string(index[i]) +
                    ", but must be at least 0 and less than " + std::to_string(limit));
  }
}

}  // namespace s2sam
