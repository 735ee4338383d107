#pragma once

#include <cstdint>

#include "s2sam/tensor.hpp"

namespace s2sam {

/// Throws Error{argument} for the first element of `indices` (i32, plain) outside [0, limit), naming it as
/// `what`[position].
void check_indices(const char* op, const char* what, const Tensor& indices, std::int64_t limit);

}  // namespace s2sam
