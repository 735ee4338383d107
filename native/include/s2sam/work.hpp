#pragma once

#include "s2sam/tensor.hpp"

namespace s2sam {

/// Arithmetic done, and memory that had to be read or written, by one op; for profiles.
struct Work {
  double flops = 0, bytes = 0;
};

/// Bytes of what is stored together, null tensors counting nothing.
template <class... Tensors>
double bytes_of(const Tensors&... tensors) {
  const auto bytes = [](const Tensor& x) {
    return x ? static_cast<double>(storage_bytes(x.shape, x.dtype, x.format, x.border)) : 0.0;
  };
  return (0.0 + ... + bytes(tensors));
}

}  // namespace s2sam
