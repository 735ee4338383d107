#pragma once

#include <cuda_runtime_api.h>

#include <functional>

namespace emulated {

/// Runs work now, or notes it for the step being recorded on the stream; for libraries that take a stream.
[[gnu::visibility("default")]] cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);

/// Whether a step is being recorded on it.
[[gnu::visibility("default")]] bool is_capturing(cudaStream_t stream);

}  // namespace emulated
