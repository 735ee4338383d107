#pragma once

#include "cuda/conv/problem.hpp"
#include "cuda/stream/stream.hpp"

/// Between the weights' plain order [O, C, kH, kW] and the order of libraries, [O, kH, kW, C].
namespace s2sam::conv {

/// Weights in the order of libraries, possibly with more filters and channels than the problem has: those are zero.
struct Packed {
  void* data;
  DType dtype;
  std::int64_t filters, channels;
  std::int64_t parts = 1;  ///< so many, one behind the other, which make a gradient when they are added up
};

/// w in the order of libraries.
void pack_weights(const Op& op, const Problem& problem, const Tensor& w, const Packed& into);

/// dw (+)= the sum of the parts, where kept.
void unpack_gradient(const Op& op, const Packed& from, const Problem& problem, const Tensors& into);

}  // namespace s2sam::conv
