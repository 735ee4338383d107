#include "cuda/libraries/cusparse.hpp"

#include <optional>
#include <string>

#include "cuda/libraries/library.hpp"
#include "cuda/stream/stream.hpp"

namespace s2sam::cusparse {

namespace {

/// Whether every function is there.
bool resolve(const Library& library, Api& api) {
  const auto get = [&library](auto& function, const char* name) {
    function = library.symbol<std::remove_reference_t<decltype(function)>>(name);
    return function != nullptr;
  };
  return get(api.create, "cusparseCreate") && get(api.destroy, "cusparseDestroy") &&
         get(api.set_stream, "cusparseSetStream") && get(api.error_string, "cusparseGetErrorString") &&
         get(api.create_csr, "cusparseCreateCsr") && get(api.set_values, "cusparseSpMatSetValues") &&
         get(api.destroy_sparse, "cusparseDestroySpMat") && get(api.create_dense, "cusparseCreateDnMat") &&
         get(api.destroy_dense, "cusparseDestroyDnMat") && get(api.product_buffer, "cusparseSpMM_bufferSize") &&
         get(api.product_prepare, "cusparseSpMM_preprocess") && get(api.product, "cusparseSpMM") &&
         get(api.sampled_buffer, "cusparseSDDMM_bufferSize") && get(api.sampled_prepare, "cusparseSDDMM_preprocess") &&
         get(api.sampled, "cusparseSDDMM");
}

std::optional<Api> load() {
  const Library* library = Library::find("cusparse");
  Api api{};
  if (library == nullptr || !resolve(*library, api)) return {};
  return api;
}

cudaDataType data_type(DType dtype) {
  switch (dtype) {
    case DType::f32: return CUDA_R_32F;
    case DType::f16: return CUDA_R_16F;
    case DType::bf16: return CUDA_R_16BF;
    default: throw Error(Code::internal, "cuSPARSE", std::string("no product has matrices of ") + name_of(dtype));
  }
}

}  // namespace

const Api* Api::find() {
  static const std::optional<Api> api = load();
  return api ? &*api : nullptr;
}

void Api::check(cusparseStatus_t status, const char* call) const {
  if (status == CUSPARSE_STATUS_SUCCESS) return;
  throw Error(Code::internal, "cuSPARSE", std::string(call) + " says " + error_string(status));
}

Handle::Handle(const Stream& stream) : api_(Api::find()), handle_(nullptr, Deleter{api_}) {
  if (api_ == nullptr) throw Error(Code::internal, "cuSPARSE", "there is no such library");
  cusparseHandle_t made = nullptr;
  api_->check(api_->create(&made), "cusparseCreate");
  handle_.reset(made);
  api_->check(api_->set_stream(made, stream.handle()), "cusparseSetStream");
}

SparseMatrix csr(const Api& api, std::int64_t rows, std::int64_t columns, std::int64_t kept, void* offsets,
                 void* column_of, void* values, DType dtype) {
  cusparseSpMatDescr_t made = nullptr;
  api.check(api.create_csr(&made, rows, columns, kept, offsets, column_of, values, CUSPARSE_INDEX_32I,
                           CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO, data_type(dtype)),
            "cusparseCreateCsr");
  return SparseMatrix(made, SparseDeleter{&api});
}

DenseMatrix columns(const Api& api, std::int64_t rows, std::int64_t columns, void* data, DType dtype) {
  cusparseDnMatDescr_t made = nullptr;
  api.check(api.create_dense(&made, rows, columns, rows, data, data_type(dtype), CUSPARSE_ORDER_COL),
            "cusparseCreateDnMat");
  return DenseMatrix(made, DenseDeleter{&api});
}

}  // namespace s2sam::cusparse
