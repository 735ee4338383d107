#pragma once

#include "cuda/stream/stream.hpp"
#include "s2sam/tensor.hpp"

namespace s2sam::linear {

/// y[n,o] = bias[o].
void spread_bias(const Op& op, const Tensor& bias, const Tensor& y);
/// db[o] (+)= the sum of dy[n,o] over n, in double and in an order that depends on the shape alone.
void sum_columns(const Op& op, const Tensor& dy, bool accumulate, const Tensor& db);

}  // namespace s2sam::linear
