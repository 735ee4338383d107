#include "cuda/check.hpp"

#include <string>

namespace s2sam {

Error cuda_error(const char* op, const char* call, cudaError_t status) {
  cudaGetLastError();  // else the next launch would be taken for what failed; a device that is lost says so again
  const std::string said = std::string(call) + " says " + cudaGetErrorName(status) + " (" + cudaGetErrorString(status) + ")";
  if (status == cudaErrorMemoryAllocation) {
    std::size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    return {Code::out_of_memory, op,
            said + "; free on the device: " + std::to_string(free) + " of " + std::to_string(total) +
                " bytes; use a smaller batch or model, or close other programs that use the GPU"};
  }
  return {Code::internal, op, said};
}

}  // namespace s2sam
