#pragma once

#include <cusparse.h>

#include <cstdint>
#include <memory>
#include <type_traits>

#include "s2sam/tensor.hpp"

namespace s2sam {
class Stream;
}

/// Products with sparse matrices, by cuSPARSE. Every function here throws Error{internal} with cuSPARSE's own words
/// when it refuses.
namespace s2sam::cusparse {

/// cuSPARSE's functions, in the library that use_libraries named.
struct Api {
  decltype(&cusparseCreate) create;
  decltype(&cusparseDestroy) destroy;
  decltype(&cusparseSetStream) set_stream;
  decltype(&cusparseGetErrorString) error_string;
  decltype(&cusparseCreateCsr) create_csr;
  decltype(&cusparseSpMatSetValues) set_values;
  decltype(&cusparseDestroySpMat) destroy_sparse;
  decltype(&cusparseCreateDnMat) create_dense;
  decltype(&cusparseDestroyDnMat) destroy_dense;
  decltype(&cusparseSpMM_bufferSize) product_buffer;
  decltype(&cusparseSpMM_preprocess) product_prepare;
  decltype(&cusparseSpMM) product;
  decltype(&cusparseSDDMM_bufferSize) sampled_buffer;
  decltype(&cusparseSDDMM_preprocess) sampled_prepare;
  decltype(&cusparseSDDMM) sampled;

  /// Null where there is no cuSPARSE, or one that lacks a function.
  static const Api* find();
  /// Throws unless the call succeeded.
  void check(cusparseStatus_t status, const char* call) const;
};

/// cuSPARSE on one stream. For one thread; made outside of captures.
class Handle {
 public:
  explicit Handle(const Stream& stream);

  const Api& api() const { return *api_; }
  cusparseHandle_t get() const { return handle_.get(); }

 private:
  struct Deleter {
    const Api* api;
    void operator()(cusparseHandle_t handle) const noexcept { api->destroy(handle); }
  };

  const Api* api_;
  std::unique_ptr<std::remove_pointer_t<cusparseHandle_t>, Deleter> handle_;
};

struct SparseDeleter {
  const Api* api;
  void operator()(cusparseSpMatDescr_t matrix) const noexcept { api->destroy_sparse(matrix); }
};
using SparseMatrix = std::unique_ptr<std::remove_pointer_t<cusparseSpMatDescr_t>, SparseDeleter>;

struct DenseDeleter {
  const Api* api;
  void operator()(cusparseDnMatDescr_t matrix) const noexcept { api->destroy_dense(matrix); }
};
using DenseMatrix = std::unique_ptr<std::remove_pointer_t<cusparseDnMatDescr_t>, DenseDeleter>;

/// Compressed rows with 32-bit indices.
SparseMatrix csr(const Api& api, std::int64_t rows, std::int64_t columns, std::int64_t kept, void* offsets,
                 void* column_of, void* values, DType dtype);
/// The transpose of a row-major matrix [columns, rows] at `data`: rows x columns, column by column.
DenseMatrix columns(const Api& api, std::int64_t rows, std::int64_t columns, void* data, DType dtype);

}  // namespace s2sam::cusparse
