// The device and its memory, as far as the backend uses the CUDA runtime, on host memory. What CUDA forbids while a step is recorded is
// refused here too.

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cuda/launch_kernel.hpp"
#include "runtime.hpp"

namespace {

constexpr std::size_t default_memory = std::size_t{4} << 30;

thread_local cudaError_t last_error = cudaSuccess;

thread_local int device = 0;

struct Block {
  std::size_t bytes;
  int device;
};

std::mutex memory_mutex;
std::map<const void*, Block> device_blocks;
std::size_t device_used = 0;

/// Bytes of the device: S2SAM_EMULATED_MEMORY, or 4 GiB.
std::size_t device_memory() {
  const char* text = std::getenv("S2SAM_EMULATED_MEMORY");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : default_memory;
}

/// S2SAM_EMULATED_PROCESSORS, or 2; kernels share their work among more blocks where there are more.
int processors() {
  const char* text = std::getenv("S2SAM_EMULATED_PROCESSORS");
  return text != nullptr ? std::atoi(text) : 2;
}

/// The device fails for good at kernel number S2SAM_EMULATED_FAILURE (from 1), as after an illegal address.
bool failed = false;

/// S2SAM_EMULATED_DEVICES, or 1.
int device_count() {
  const char* text = std::getenv("S2SAM_EMULATED_DEVICES");
  return text != nullptr ? std::atoi(text) : 1;
}

bool next_kernel_fails() {
  static long left = [] {
    const char* text = std::getenv("S2SAM_EMULATED_FAILURE");
    return text != nullptr ? std::strtol(text, nullptr, 10) : -1;
  }();
  return left > 0 && --left == 0;
}

}  // namespace

namespace emulated {

int current_device() { return device; }

bool reaches(int from, const void* data) {
  const std::lock_guard lock(memory_mutex);
  auto block = device_blocks.upper_bound(data);
  if (block == device_blocks.begin()) return true;
  --block;
  const bool inside = data < static_cast<const char*>(block->first) + block->second.bytes;
  return !inside || block->second.device == from;
}

cudaError_t fail(cudaError_t status) { return last_error = status; }

cudaError_t state() { return failed ? fail(cudaErrorIllegalAddress) : cudaSuccess; }

cudaError_t enqueue_kernel(cudaStream_t stream, dim3 blocks, dim3 threads, std::function<void()> kernel) {
  const std::size_t per_block = std::size_t{threads.x} * threads.y * threads.z;
  if (per_block == 0 || per_block > 1024 || blocks.x == 0 || blocks.y == 0 || blocks.z == 0 || blocks.y > 65535 ||
      blocks.z > 65535 || threads.z > 64) {
    return fail(cudaErrorInvalidConfiguration);
  }
  if (device_of(stream) != device) return fail(cudaErrorInvalidResourceHandle);
  return enqueue(stream, [=] {
    if (next_kernel_fails()) failed = true;
    if (!failed) run_grid(blocks, threads, kernel);
  });
}

}  // namespace emulated

using emulated::fail, emulated::unsafe_while_capturing;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = device_count();
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "emulated GPU");
  properties->totalGlobalMem = device_memory();
  properties->major = 9;
  properties->multiProcessorCount = processors();
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = processors(); break;
    case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
    case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
    default: return fail(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int wanted) {
  if (wanted < 0 || wanted >= device_count()) return fail(cudaErrorInvalidDevice);
  device = wanted;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* current) {
  *current = device;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  const cudaError_t status = last_error;
  last_error = failed ? cudaErrorIllegalAddress : cudaSuccess;
  return status;
}
cudaError_t cudaPeekAtLastError() { return last_error; }
const char* cudaGetErrorName(cudaError_t status) {
  return status == cudaErrorIllegalAddress       ? "cudaErrorIllegalAddress"
         : status == cudaErrorMemoryAllocation   ? "cudaErrorMemoryAllocation"
         : status == cudaErrorInvalidConfiguration ? "cudaErrorInvalidConfiguration"
                                                 : "cudaError";
}
const char* cudaGetErrorString(cudaError_t status) {
  return status == cudaErrorMemoryAllocation ? "out of memory" : "an error of the emulated device";
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  if (const cudaError_t status = unsafe_while_capturing(); status != cudaSuccess) return status;
  const std::lock_guard lock(memory_mutex);
  if (bytes > device_memory() - device_used) return fail(cudaErrorMemoryAllocation);
  *data = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (*data == nullptr) return fail(cudaErrorMemoryAllocation);
  std::memset(*data, 0xFF, bytes);  // what nobody wrote is NaN in every type
  device_blocks[*data] = {bytes, device};
  device_used += bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* data) {
  if (const cudaError_t status = unsafe_while_capturing(); status != cudaSuccess) return status;
  emulated::run_all();  // as CUDA waits for the device
  const std::lock_guard lock(memory_mutex);
  const auto found = device_blocks.find(data);
  if (found == device_blocks.end()) return data == nullptr ? cudaSuccess : fail(cudaErrorInvalidValue);
  device_used -= found->second.bytes;
  device_blocks.erase(found);
  std::free(data);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const std::lock_guard lock(memory_mutex);
  *total = device_memory();
  *free = *total - device_used;
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned) {
  if (const cudaError_t status = unsafe_while_capturing(); status != cudaSuccess) return status;
  *data = std::malloc(bytes);
  return *data != nullptr ? cudaSuccess : fail(cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeHost(void* data) {
  if (const cudaError_t status = unsafe_while_capturing(); status != cudaSuccess) return status;
  std::free(data);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  const int owner = emulated::device_of(stream);
  if (!emulated::reaches(owner, to) || !emulated::reaches(owner, from)) return fail(cudaErrorInvalidValue);
  return emulated::enqueue(stream, [=] { std::memmove(to, from, bytes); });
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  if (!emulated::reaches(emulated::device_of(stream), to)) return fail(cudaErrorInvalidValue);
  return emulated::enqueue(stream, [=] { std::memset(to, value, bytes); });
}
}  // extern "C"
