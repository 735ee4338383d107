#pragma once

#include <cublas_v2.h>

#include <cstdint>
#include <memory>
#include <type_traits>

#include "cuda/stream/stream.hpp"
#include "s2sam/tensor.hpp"

namespace s2sam {

/// A factor of a product, stored row-major.
struct Factor {
  const void* data;
  DType dtype;
  bool transposed = false;  ///< stored with rows and columns exchanged
};

/// cuBLAS, for one thread.
class Cublas {
 public:
  /// Of the current device. Null where use_libraries named no cuBLAS, or one that cannot be used.
  static std::unique_ptr<Cublas> open();
  /// Owns the handle, which is of this device.
  Cublas(cublasHandle_t handle, int device) : handle_(handle, Deleter{device}) {}

  /// c (+)= a b with a [rows, depth], b [depth, columns], c [rows, columns] row-major; sums in f32, never in TF32.
  void multiply(const Op& op, std::int64_t rows, std::int64_t columns, std::int64_t depth, Factor a, Factor b, bool accumulate,
                void* c, DType c_dtype) const;

 private:
  struct Api;
  struct Deleter {
    int device;
    void operator()(cublasHandle_t handle) const noexcept;
  };

  static const Api* api();

  std::unique_ptr<std::remove_pointer_t<cublasHandle_t>, Deleter> handle_;
};

}  // namespace s2sam
