#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "s2sam/error.hpp"
#include "s2sam/tensor.hpp"

/// What is said of data found wrong only while a command runs, in the same words by every backend.
namespace s2sam {

/// what[position] is value, not in [0, limit).
inline Error index_out_of_range(const char* op, const char* what, std::int64_t position, std::int64_t value,
                                std::int64_t limit) {
  return {Code::argument, op,
          std::string(what) + "[" + std::to_string(position) + "] is " + std::to_string(value) +
              ", but must be at least 0 and less than " + std::to_string(limit)};
}

/// More weights were asked for than there are. `among`: which of them count, e.g. " that are kept"; `shape`: of the mask,
/// where it is one.
inline Error too_few_weights(const char* op, std::size_t masks, const Shape& shape, const char* among,
                             std::int64_t wanted, std::int64_t available) {
  const std::string count = std::to_string(available);
  const std::string owner =
      masks == 1 ? "mask over " + shape.string() + " has " : std::to_string(masks) + " masks together have ";
  return {Code::argument, op,
          std::to_string(wanted) + " weights were asked for, but the " + owner + count + among + "; ask for 0 to " + count};
}

}  // namespace s2sam
