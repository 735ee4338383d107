#pragma once

#include <functional>

#include "device.hpp"

/// Takes the place of the real launch_kernel.hpp in the emulated build.
namespace emulated {

/// Runs the kernel, or notes it for the step being recorded on the stream.
cudaError_t enqueue_kernel(cudaStream_t stream, dim3 blocks, dim3 threads, std::function<void()> kernel);

}  // namespace emulated

namespace s2sam {

template <class... Parameters, class... Arguments>
cudaError_t launch_kernel(cudaStream_t stream, void (*kernel)(Parameters...), dim3 blocks, dim3 threads,
                          Arguments... arguments) {
  return emulated::enqueue_kernel(stream, blocks, threads, [=] { kernel(static_cast<Parameters>(arguments)...); });
}

template <class... Parameters>
cudaError_t load_kernel(void (*)(Parameters...)) {
  return cudaSuccess;
}

}  // namespace s2sam
