#pragma once

#include <cuda_runtime_api.h>

#include <functional>

/// The runtime's own parts, and what stand-ins for NVIDIA's libraries need of it.
namespace emulated {

/// Gives the stream work for later, or notes it for the step being recorded there.
[[gnu::visibility("default")]] cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);

/// Whether a step is being recorded on it.
[[gnu::visibility("default")]] bool is_capturing(cudaStream_t stream);

/// The one that calls of this thread mean.
int current_device();
/// Whether what lies at an address of device memory can be reached from the device; host memory can.
bool reaches(int device, const void* data);
/// The device a stream belongs to.
int device_of(cudaStream_t stream);
/// Remembers the status as the thread's last error.
cudaError_t fail(cudaError_t status);
/// What the device died of, if it did.
cudaError_t state();
/// The status of calls that may touch the stream that this thread records.
cudaError_t unsafe_while_capturing();
/// Runs what all streams have been given.
void run_all();

}  // namespace emulated
