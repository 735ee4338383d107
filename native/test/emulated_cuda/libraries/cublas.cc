// cuBLAS, as far as the backend uses it, on host memory. A product without a workspace of the caller's is refused while
// a step is recorded, where the real library would allocate one inside the recording.

#include <cublas_v2.h>

#include <cstring>
#include <memory>
#include <optional>

#include "numbers.hpp"
#include "runtime.hpp"

struct cublasContext {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  std::size_t workspace_bytes = 0;
};

namespace {

std::optional<emulated::Type> type_of(cudaDataType type) {
  switch (type) {
    case CUDA_R_32F: return emulated::Type::f32;
    case CUDA_R_16F: return emulated::Type::f16;
    case CUDA_R_16BF: return emulated::Type::bf16;
    default: return {};
  }
}

/// A column-major matrix, possibly taken transposed.
struct Matrix {
  emulated::Type type;
  const void* data;
  std::int64_t leading;
  bool transposed;

  float at(std::int64_t row, std::int64_t column) const {
    return emulated::load(type, data, transposed ? row * leading + column : column * leading + row);
  }
};

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  *handle = std::make_unique<cublasContext>().release();
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  *handle = {stream};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, std::size_t bytes) {
  handle->workspace = workspace;
  handle->workspace_bytes = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t mode) {
  return (mode & CUBLAS_TF32_TENSOR_OP_MATH) == CUBLAS_TF32_TENSOR_OP_MATH ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS ? "CUBLAS_STATUS_SUCCESS" : "an error of the emulated cuBLAS";
}

cublasStatus_t cublasGetProperty(libraryPropertyType type, int* value) {
  constexpr int version[] = {13, 1, 0};
  *value = version[type];
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmEx_64(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, std::int64_t m,
                               std::int64_t n, std::int64_t k, const void* alpha_address, const void* a, cudaDataType a_type,
                               std::int64_t lda, const void* b, cudaDataType b_type, std::int64_t ldb, const void* beta_address,
                               void* c, cudaDataType c_type, std::int64_t ldc, cublasComputeType_t compute, cublasGemmAlgo_t) {
  const auto types = {type_of(a_type), type_of(b_type), type_of(c_type)};
  for (const auto& type : types) {
    if (!type) return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  if (compute != CUBLAS_COMPUTE_32F || a_type != b_type || (c_type != a_type && c_type != CUDA_R_32F)) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  if (lda < (transa == CUBLAS_OP_N ? m : k) || ldb < (transb == CUBLAS_OP_N ? k : n) || ldc < m) return CUBLAS_STATUS_INVALID_VALUE;
  if (emulated::is_capturing(handle->stream) && handle->workspace == nullptr) return CUBLAS_STATUS_EXECUTION_FAILED;

  const float alpha = *static_cast<const float*>(alpha_address), beta = *static_cast<const float*>(beta_address);
  const Matrix left{*type_of(a_type), a, lda, transa != CUBLAS_OP_N}, right{*type_of(b_type), b, ldb, transb != CUBLAS_OP_N};
  const emulated::Type type = *type_of(c_type);
  emulated::enqueue(handle->stream, [=, workspace = handle->workspace, bytes = handle->workspace_bytes] {
    if (workspace != nullptr) std::memset(workspace, 0xA5, bytes);  // what lies there must be nobody else's
    for (std::int64_t column = 0; column < n; ++column) {
      for (std::int64_t row = 0; row < m; ++row) {
        float sum = 0;
        for (std::int64_t i = 0; i < k; ++i) sum += left.at(row, i) * right.at(i, column);
        const std::int64_t at = column * ldc + row;
        emulated::store(type, c, at, alpha * sum + (beta == 0 ? 0 : beta * emulated::load(type, c, at)));
      }
    }
  });
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
