#pragma once

#include <cuda_runtime.h>

namespace s2sam {

/// Enqueues kernel<<<blocks, threads>>>(arguments...).
template <class... Parameters, class... Arguments>
cudaError_t launch_kernel(cudaStream_t stream, void (*kernel)(Parameters...), dim3 blocks, dim3 threads,
                          Arguments... arguments) {
  kernel<<<blocks, threads, 0, stream>>>(static_cast<Parameters>(arguments)...);
  return cudaGetLastError();
}

/// Brings the kernel's code to the device, which must not happen for the first time while a step is recorded.
template <class... Parameters>
cudaError_t load_kernel(void (*kernel)(Parameters...)) {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(kernel));
}

}  // namespace s2sam
