// The CUDA runtime, as far as the backend uses it, on host memory: streams run what they are given at once, captures note it. What
// CUDA forbids while a step is recorded is refused here too.

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

using Work = std::function<void()>;

struct CUstream_st {
  std::shared_ptr<std::vector<Work>> recorded;  // while capturing
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
};

struct CUevent_st {
  bool timed = true;
  bool captured = false;  // a mark of the order of what is recorded
  bool set = false;       // the device has passed it
};

struct CUgraph_st {
  std::shared_ptr<std::vector<Work>> work;
};

struct CUgraphExec_st {
  std::shared_ptr<std::vector<Work>> work;
};

namespace {

constexpr std::size_t default_memory = std::size_t{4} << 30;

thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;
thread_local int captures_of_thread = 0;
thread_local cudaError_t last_error = cudaSuccess;

std::mutex memory_mutex;
std::map<void*, std::size_t> device_blocks;
std::size_t device_used = 0;

/// Bytes of the device: S2SAM_EMULATED_MEMORY, or 4 GiB.
std::size_t device_memory() {
  const char* text = std::getenv("S2SAM_EMULATED_MEMORY");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : default_memory;
}

cudaError_t fail(cudaError_t status) { return last_error = status; }

/// The device fails for good at kernel number S2SAM_EMULATED_FAILURE (from 1), as after an illegal address.
bool failed = false;

bool next_kernel_fails() {
  static long left = [] {
    const char* text = std::getenv("S2SAM_EMULATED_FAILURE");
    return text != nullptr ? std::strtol(text, nullptr, 10) : -1;
  }();
  return left > 0 && --left == 0;
}

cudaError_t state() { return failed ? fail(cudaErrorIllegalAddress) : cudaSuccess; }

/// Calls that may touch the stream being recorded, by the thread that records.
cudaError_t unsafe_while_capturing() {
  if (captures_of_thread > 0 && thread_mode != cudaStreamCaptureModeRelaxed) return fail(cudaErrorStreamCaptureUnsupported);
  return state();
}

}  // namespace

namespace emulated {

cudaError_t enqueue(cudaStream_t stream, Work work) {
  if (const cudaError_t status = state(); status != cudaSuccess) return status;
  if (stream->recorded) {
    stream->recorded->push_back(std::move(work));
  } else {
    work();
  }
  return cudaSuccess;
}

bool is_capturing(cudaStream_t stream) { return stream->recorded != nullptr; }

cudaError_t enqueue_kernel(cudaStream_t stream, dim3 blocks, dim3 threads, std::function<void()> kernel) {
  const std::size_t per_block = std::size_t{threads.x} * threads.y * threads.z;
  if (per_block == 0 || per_block > 1024 || blocks.x == 0 || blocks.y == 0 || blocks.z == 0 || blocks.y > 65535 ||
      blocks.z > 65535 || threads.z > 64) {
    return fail(cudaErrorInvalidConfiguration);
  }
  return enqueue(stream, [=] {
    if (next_kernel_fails()) failed = true;
    if (!failed) run_grid(blocks, threads, kernel);
  });
}

}  // namespace emulated

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "emulated GPU");
  properties->totalGlobalMem = device_memory();
  properties->major = 9;
  properties->multiProcessorCount = 2;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = 2; break;
    case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
    case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
    default: return fail(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : fail(cudaErrorInvalidDevice); }
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
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
  std::memset(*data, 0xA5, bytes);  // what nobody wrote must not look like zeros
  device_blocks[*data] = bytes;
  device_used += bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* data) {
  if (const cudaError_t status = unsafe_while_capturing(); status != cudaSuccess) return status;
  const std::lock_guard lock(memory_mutex);
  const auto found = device_blocks.find(data);
  if (found == device_blocks.end()) return data == nullptr ? cudaSuccess : fail(cudaErrorInvalidValue);
  device_used -= found->second;
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
  return emulated::enqueue(stream, [=] { std::memmove(to, from, bytes); });
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  return emulated::enqueue(stream, [=] { std::memset(to, value, bytes); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = std::make_unique<CUstream_st>().release();
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::unique_ptr<CUstream_st> ended(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream->recorded) return fail(cudaErrorStreamCaptureUnsupported);
  return state();
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (stream->recorded && !event->captured) return fail(cudaErrorStreamCaptureIsolation);
  return state();
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (stream->recorded) return fail(cudaErrorIllegalState);
  stream->recorded = std::make_shared<std::vector<Work>>();
  stream->mode = mode;
  ++captures_of_thread;
  return state();
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!stream->recorded) return fail(cudaErrorIllegalState);
  --captures_of_thread;
  *graph = std::make_unique<CUgraph_st>(CUgraph_st{std::exchange(stream->recorded, nullptr)}).release();
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = stream->recorded ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, thread_mode);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = std::make_unique<CUgraphExec_st>(CUgraphExec_st{graph->work}).release();
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return emulated::enqueue(stream, [work = exec->work] {
    for (const Work& item : *work) item();
  });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const std::unique_ptr<CUgraph_st> ended(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  const std::unique_ptr<CUgraphExec_st> ended(exec);
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = std::make_unique<CUevent_st>().release();
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  const cudaError_t status = cudaEventCreate(event);
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  return status;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::unique_ptr<CUevent_st> ended(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->captured = stream->recorded != nullptr;
  event->set = !event->captured;
  return state();
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  if (flags != cudaEventRecordExternal) return cudaEventRecord(event, stream);
  if (!stream->recorded) return fail(cudaErrorIllegalState);
  event->captured = event->set = false;
  return emulated::enqueue(stream, [event] { event->set = true; });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (event->captured) return fail(cudaErrorCapturedEvent);
  return unsafe_while_capturing();
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->captured) return fail(cudaErrorCapturedEvent);
  return unsafe_while_capturing();
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  for (const cudaEvent_t event : {from, to}) {
    if (!event->timed || !event->set) return fail(cudaErrorInvalidResourceHandle);
  }
  *milliseconds = 1;  // every candidate takes as long as the other
  return cudaSuccess;
}

}  // extern "C"
