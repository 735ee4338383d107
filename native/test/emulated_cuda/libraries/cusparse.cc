// The functions of cuSPARSE that the backend uses, with their meaning, on host memory: compressed rows with 32-bit
// indices, dense matrices in either order, sums in double.

#include <cusparse.h>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <utility>

#include "../runtime.hpp"

struct cusparseContext {
  cudaStream_t stream = nullptr;
};

struct cusparseSpMatDescr {
  std::int64_t rows, columns, kept;
  const std::int32_t* offsets;
  const std::int32_t* column_of;
  void* values;
  cudaDataType type;
};

struct cusparseDnMatDescr {
  std::int64_t rows, columns, stride;
  void* values;
  cudaDataType type;
  cusparseOrder_t order;
};

namespace {

bool is_known(cudaDataType type) { return type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF; }

float load(const void* values, cudaDataType type, std::int64_t i) {
  if (type == CUDA_R_16F) return __half2float(static_cast<const __half*>(values)[i]);
  if (type == CUDA_R_16BF) return __bfloat162float(static_cast<const __nv_bfloat16*>(values)[i]);
  return static_cast<const float*>(values)[i];
}

void store(void* values, cudaDataType type, std::int64_t i, double value) {
  const auto rounded = static_cast<float>(value);
  if (type == CUDA_R_16F) {
    static_cast<__half*>(values)[i] = __float2half_rn(rounded);
  } else if (type == CUDA_R_16BF) {
    static_cast<__nv_bfloat16*>(values)[i] = __float2bfloat16_rn(rounded);
  } else {
    static_cast<float*>(values)[i] = rounded;
  }
}

/// op(matrix)
struct Dense {
  cusparseDnMatDescr matrix;
  bool transposed;

  std::int64_t rows() const { return transposed ? matrix.columns : matrix.rows; }
  std::int64_t columns() const { return transposed ? matrix.rows : matrix.columns; }
  std::int64_t at(std::int64_t row, std::int64_t column) const {
    if (transposed) std::swap(row, column);
    return matrix.order == CUSPARSE_ORDER_COL ? column * matrix.stride + row : row * matrix.stride + column;
  }
  double get(std::int64_t row, std::int64_t column) const { return load(matrix.values, matrix.type, at(row, column)); }
};

Dense dense_of(cusparseOperation_t op, cusparseConstDnMatDescr_t matrix) {
  return {*matrix, op != CUSPARSE_OPERATION_NON_TRANSPOSE};
}

/// beta * what is there; nothing is read where beta is 0.
double scaled(float beta, const void* values, cudaDataType type, std::int64_t i) {
  return beta == 0.0F ? 0.0 : static_cast<double>(beta) * load(values, type, i);
}

void multiply(float alpha, const cusparseSpMatDescr& a, const Dense& b, float beta, const Dense& c) {
  for (std::int64_t row = 0; row < a.rows; ++row) {
    for (std::int64_t column = 0; column < b.columns(); ++column) {
      double sum = 0.0;
      for (std::int64_t k = a.offsets[row]; k < a.offsets[row + 1]; ++k) {
        sum += static_cast<double>(load(a.values, a.type, k)) * b.get(a.column_of[k], column);
      }
      const std::int64_t to = c.at(row, column);
      store(c.matrix.values, c.matrix.type, to, alpha * sum + scaled(beta, c.matrix.values, c.matrix.type, to));
    }
  }
}

void multiply_sampled(float alpha, const Dense& a, const Dense& b, float beta, const cusparseSpMatDescr& c) {
  for (std::int64_t row = 0; row < c.rows; ++row) {
    for (std::int64_t k = c.offsets[row]; k < c.offsets[row + 1]; ++k) {
      double sum = 0.0;
      for (std::int64_t i = 0; i < a.columns(); ++i) sum += a.get(row, i) * b.get(i, c.column_of[k]);
      store(c.values, c.type, k, alpha * sum + scaled(beta, c.values, c.type, k));
    }
  }
}

/// Says so on stderr, as the real one does whatever its logger is told: nobody should get there.
cusparseStatus_t refuse(const char* what) {
  std::fprintf(stderr, "the emulated cuSPARSE refuses %s\n", what);
  return CUSPARSE_STATUS_NOT_SUPPORTED;
}

cusparseStatus_t check_product(cusparseOperation_t op_a, const cusparseSpMatDescr& a, const Dense& b, const Dense& c,
                               cudaDataType compute, cusparseSpMMAlg_t algorithm) {
  if (a.columns != b.rows() || a.rows != c.rows() || b.columns() != c.columns()) return CUSPARSE_STATUS_INVALID_VALUE;
  const bool types =
      a.type == b.matrix.type && compute == CUDA_R_32F && (c.matrix.type == a.type || c.matrix.type == CUDA_R_32F);
  const bool kind = op_a == CUSPARSE_OPERATION_NON_TRANSPOSE && algorithm == CUSPARSE_SPMM_CSR_ALG3;
  return types && kind ? CUSPARSE_STATUS_SUCCESS : refuse("a product of these types");
}

cusparseStatus_t check_sampled(const Dense& a, const Dense& b, const cusparseSpMatDescr& c, cudaDataType compute) {
  if (a.columns() != b.rows() || a.rows() != c.rows || b.columns() != c.columns) return CUSPARSE_STATUS_INVALID_VALUE;
  const bool types = a.matrix.type == b.matrix.type && a.matrix.type != CUDA_R_16BF && compute == CUDA_R_32F &&
                     (c.type == a.matrix.type || c.type == CUDA_R_32F);
  return types ? CUSPARSE_STATUS_SUCCESS : refuse("a sampled product of these types");
}

/// Preprocessing is not for recorded steps.
cusparseStatus_t check_not_capturing(cudaStream_t stream) {
  return emulated::is_capturing(stream) ? CUSPARSE_STATUS_EXECUTION_FAILED : CUSPARSE_STATUS_SUCCESS;
}

constexpr std::size_t buffer_bytes = 1000;

template <class T, class Made>
cusparseStatus_t give(T** out, Made made) {
  *out = std::make_unique<T>(made).release();
  return CUSPARSE_STATUS_SUCCESS;
}

template <class T>
cusparseStatus_t take_back(const T* object) {
  const std::unique_ptr<const T> ended(object);
  return CUSPARSE_STATUS_SUCCESS;
}

float scalar(const void* value) { return *static_cast<const float*>(value); }

}  // namespace

extern "C" {

cusparseStatus_t cusparseCreate(cusparseHandle_t* handle) { return give(handle, cusparseContext{}); }
cusparseStatus_t cusparseDestroy(cusparseHandle_t handle) { return take_back(handle); }
cusparseStatus_t cusparseSetStream(cusparseHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUSPARSE_STATUS_SUCCESS;
}
const char* cusparseGetErrorString(cusparseStatus_t status) {
  return status == CUSPARSE_STATUS_SUCCESS ? "success" : "the emulated cuSPARSE refuses";
}
cusparseStatus_t cusparseGetProperty(libraryPropertyType type, int* value) {
  *value = type == MAJOR_VERSION ? CUSPARSE_VER_MAJOR : type == MINOR_VERSION ? CUSPARSE_VER_MINOR : CUSPARSE_VER_PATCH;
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseCreateCsr(cusparseSpMatDescr_t* matrix, int64_t rows, int64_t columns, int64_t kept,
                                   void* offsets, void* column_of, void* values, cusparseIndexType_t offset_type,
                                   cusparseIndexType_t column_type, cusparseIndexBase_t base, cudaDataType type) {
  if (offset_type != CUSPARSE_INDEX_32I || column_type != CUSPARSE_INDEX_32I || base != CUSPARSE_INDEX_BASE_ZERO ||
      !is_known(type)) {
    return CUSPARSE_STATUS_NOT_SUPPORTED;
  }
  return give(matrix, cusparseSpMatDescr{rows, columns, kept, static_cast<const std::int32_t*>(offsets),
                                         static_cast<const std::int32_t*>(column_of), values, type});
}
cusparseStatus_t cusparseSpMatSetValues(cusparseSpMatDescr_t matrix, void* values) {
  matrix->values = values;
  return CUSPARSE_STATUS_SUCCESS;
}
cusparseStatus_t cusparseDestroySpMat(cusparseConstSpMatDescr_t matrix) { return take_back(matrix); }

cusparseStatus_t cusparseCreateDnMat(cusparseDnMatDescr_t* matrix, int64_t rows, int64_t columns, int64_t stride,
                                     void* values, cudaDataType type, cusparseOrder_t order) {
  if (stride < (order == CUSPARSE_ORDER_COL ? rows : columns) || !is_known(type)) return CUSPARSE_STATUS_INVALID_VALUE;
  return give(matrix, cusparseDnMatDescr{rows, columns, stride, values, type, order});
}
cusparseStatus_t cusparseDestroyDnMat(cusparseConstDnMatDescr_t matrix) { return take_back(matrix); }

cusparseStatus_t cusparseSpMM_bufferSize(cusparseHandle_t, cusparseOperation_t op_a, cusparseOperation_t op_b,
                                         const void*, cusparseConstSpMatDescr_t a, cusparseConstDnMatDescr_t b,
                                         const void*, cusparseDnMatDescr_t c, cudaDataType compute,
                                         cusparseSpMMAlg_t algorithm, size_t* bytes) {
  *bytes = buffer_bytes;
  return check_product(op_a, *a, dense_of(op_b, b), {*c, false}, compute, algorithm);
}
cusparseStatus_t cusparseSpMM_preprocess(cusparseHandle_t handle, cusparseOperation_t op_a, cusparseOperation_t op_b,
                                         const void*, cusparseConstSpMatDescr_t a, cusparseConstDnMatDescr_t b,
                                         const void*, cusparseDnMatDescr_t c, cudaDataType compute,
                                         cusparseSpMMAlg_t algorithm, void*) {
  if (const auto status = check_not_capturing(handle->stream); status != CUSPARSE_STATUS_SUCCESS) return status;
  return check_product(op_a, *a, dense_of(op_b, b), {*c, false}, compute, algorithm);
}
cusparseStatus_t cusparseSpMM(cusparseHandle_t handle, cusparseOperation_t op_a, cusparseOperation_t op_b,
                              const void* alpha, cusparseConstSpMatDescr_t a, cusparseConstDnMatDescr_t b,
                              const void* beta, cusparseDnMatDescr_t c, cudaDataType compute,
                              cusparseSpMMAlg_t algorithm, void* buffer) {
  const Dense left = dense_of(op_b, b), right{*c, false};
  const cusparseStatus_t status = check_product(op_a, *a, left, right, compute, algorithm);
  if (status != CUSPARSE_STATUS_SUCCESS) return status;
  if (buffer == nullptr) return CUSPARSE_STATUS_INVALID_VALUE;
  emulated::enqueue(handle->stream, [a = *a, left, right, alpha = scalar(alpha), beta = scalar(beta)] {
    multiply(alpha, a, left, beta, right);
  });
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSDDMM_bufferSize(cusparseHandle_t, cusparseOperation_t op_a, cusparseOperation_t op_b,
                                          const void*, cusparseConstDnMatDescr_t a, cusparseConstDnMatDescr_t b,
                                          const void*, cusparseSpMatDescr_t c, cudaDataType compute, cusparseSDDMMAlg_t,
                                          size_t* bytes) {
  *bytes = buffer_bytes;
  return check_sampled(dense_of(op_a, a), dense_of(op_b, b), *c, compute);
}
cusparseStatus_t cusparseSDDMM_preprocess(cusparseHandle_t handle, cusparseOperation_t op_a, cusparseOperation_t op_b,
                                          const void*, cusparseConstDnMatDescr_t a, cusparseConstDnMatDescr_t b,
                                          const void*, cusparseSpMatDescr_t c, cudaDataType compute, cusparseSDDMMAlg_t,
                                          void*) {
  if (const auto status = check_not_capturing(handle->stream); status != CUSPARSE_STATUS_SUCCESS) return status;
  return check_sampled(dense_of(op_a, a), dense_of(op_b, b), *c, compute);
}
cusparseStatus_t cusparseSDDMM(cusparseHandle_t handle, cusparseOperation_t op_a, cusparseOperation_t op_b,
                               const void* alpha, cusparseConstDnMatDescr_t a, cusparseConstDnMatDescr_t b,
                               const void* beta, cusparseSpMatDescr_t c, cudaDataType compute, cusparseSDDMMAlg_t,
                               void*) {
  const Dense left = dense_of(op_a, a), right = dense_of(op_b, b);
  if (const auto status = check_sampled(left, right, *c, compute); status != CUSPARSE_STATUS_SUCCESS) return status;
  emulated::enqueue(handle->stream, [left, right, c = *c, alpha = scalar(alpha), beta = scalar(beta)] {
    multiply_sampled(alpha, left, right, beta, c);
  });
  return CUSPARSE_STATUS_SUCCESS;
}

}  // extern "C"
