#include "cuda/libraries/cublas.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cuda/libraries/library.hpp"

namespace s2sam {

namespace {

/// What cuBLAS wants on an H100 or H200; where it lies must be known to recorded steps, so it comes from the op.
constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

cudaDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::f16: return CUDA_R_16F;
    case DType::bf16: return CUDA_R_16BF;
    default: return CUDA_R_32F;
  }
}

}  // namespace

struct Cublas::Api {
  decltype(&cublasCreate_v2) create;
  decltype(&cublasSetStream_v2) set_stream;
  decltype(&cublasSetWorkspace_v2) set_workspace;
  decltype(&cublasSetMathMode) set_math_mode;
  decltype(&cublasGemmEx_64) gemm;
  decltype(&cublasGetStatusString) status_string;

  static std::optional<Api> load() {
    const Library* library = Library::find("cublas");
    if (library == nullptr) return {};
    Api api{};
    const auto get = [library](auto& function, const char* name) {
      function = library->symbol<std::remove_reference_t<decltype(function)>>(name);
      return function != nullptr;
    };
    const bool all = get(api.create, "cublasCreate_v2") && get(api.set_stream, "cublasSetStream_v2") &&
                     get(api.set_workspace, "cublasSetWorkspace_v2") && get(api.set_math_mode, "cublasSetMathMode") && get(api.gemm, "cublasGemmEx_64") &&
                     get(api.status_string, "cublasGetStatusString");
    return all ? std::optional(api) : std::nullopt;
  }

  void check(cublasStatus_t status, const char* op, const char* call) const {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    throw Error(Code::internal, op, std::string(call) + " says " + status_string(status));
  }
};

const Cublas::Api* Cublas::api() {
  static const std::optional<Api> api = Api::load();
  return api ? &*api : nullptr;
}

namespace {

/// Handles that nobody uses, by device. To destroy one waits for the whole device, which would spoil what another thread is recording.
class IdleHandles {
 public:
  static IdleHandles& get() {
    static IdleHandles handles;
    return handles;
  }

  cublasHandle_t take(int device) {
    const std::lock_guard lock(mutex_);
    std::vector<cublasHandle_t>& idle = idle_[device];
    if (idle.empty()) return nullptr;
    const cublasHandle_t handle = idle.back();
    idle.pop_back();
    return handle;
  }

  void put(int device, cublasHandle_t handle) {
    const std::lock_guard lock(mutex_);
    idle_[device].push_back(handle);
  }

 private:
  std::mutex mutex_;
  std::map<int, std::vector<cublasHandle_t>> idle_;
};

}  // namespace

void Cublas::Deleter::operator()(cublasHandle_t handle) const noexcept { IdleHandles::get().put(device, handle); }

std::unique_ptr<Cublas> Cublas::open() {
  int device = 0;
  if (api() == nullptr || cudaGetDevice(&device) != cudaSuccess) return nullptr;
  cublasHandle_t handle = IdleHandles::get().take(device);
  if (handle == nullptr && api()->create(&handle) != CUBLAS_STATUS_SUCCESS) return nullptr;
  std::unique_ptr<Cublas> result = std::make_unique<Cublas>(handle, device);
  const auto mode = static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION);
  return api()->set_math_mode(handle, mode) == CUBLAS_STATUS_SUCCESS ? std::move(result) : nullptr;
}

/// cuBLAS is column-major, where row-major matrices are seen transposed: c^T = b^T a^T.
void Cublas::multiply(const Op& op, std::int64_t rows, std::int64_t columns, std::int64_t depth, Factor a, Factor b,
                      bool accumulate, void* c, DType c_dtype) const {
  const float alpha = 1, beta = accumulate ? 1 : 0;
  const auto operation = [](const Factor& factor) { return factor.transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  api()->check(api()->set_stream(handle_.get(), op.handle()), op.name(), "cublasSetStream");
  api()->check(api()->set_workspace(handle_.get(), op.scratch(workspace_bytes), workspace_bytes), op.name(),
               "cublasSetWorkspace");
  api()->check(api()->gemm(handle_.get(), operation(b), operation(a), columns, rows, depth, &alpha,
                           b.data, data_type(b.dtype), b.transposed ? depth : columns, a.data, data_type(a.dtype),
                           a.transposed ? rows : depth, &beta, c, data_type(c_dtype), columns,
                           CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
               op.name(), "cublasGemmEx_64");
}

}  // namespace s2sam
