// Streams, events and graphs of the emulated device. A stream runs what it was given as late as it may: when somebody waits for it, or
// for an event behind it. So whoever reads what another stream writes without waiting for it finds rubbish, every time.

#include <cuda_runtime_api.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "runtime.hpp"

using Work = std::function<void()>;
using Works = std::vector<Work>;

struct CUstream_st {
  int device = emulated::current_device();
  std::deque<Work> queue;
  std::shared_ptr<Works> recorded;  // while capturing
};

/// A place in a stream.
struct Mark {
  cudaStream_t stream;
  bool passed;
};

struct CUevent_st {
  int device = emulated::current_device();
  bool timed = true;
  bool captured = false;  // orders what is recorded
  std::shared_ptr<Mark> mark;  // null: never recorded
};

struct CUgraph_st {
  std::shared_ptr<Works> work;
};

struct CUgraphExec_st {
  std::shared_ptr<Works> work;
};

namespace {

thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;
thread_local int captures_of_thread = 0;

/// Streams are used by the threads that own them and by those that wait; one at a time runs work.
std::recursive_mutex device_mutex;
std::set<cudaStream_t> streams;

void run_next(cudaStream_t stream) {
  const Work work = std::move(stream->queue.front());
  stream->queue.pop_front();
  work();
}

void run_all_of(cudaStream_t stream) {
  while (!stream->queue.empty()) run_next(stream);
}

void run_until(const Mark& mark) {
  while (!mark.passed) run_next(mark.stream);
}

}  // namespace

namespace emulated {

cudaError_t enqueue(cudaStream_t stream, Work work) {
  if (const cudaError_t status = state(); status != cudaSuccess) return status;
  const std::lock_guard lock(device_mutex);
  if (stream->recorded) {
    stream->recorded->push_back(std::move(work));
  } else {
    stream->queue.push_back(std::move(work));
  }
  return cudaSuccess;
}

int device_of(cudaStream_t stream) { return stream->device; }

bool is_capturing(cudaStream_t stream) { return stream->recorded != nullptr; }

cudaError_t unsafe_while_capturing() {
  if (captures_of_thread > 0 && thread_mode != cudaStreamCaptureModeRelaxed) return fail(cudaErrorStreamCaptureUnsupported);
  return state();
}

void run_all() {
  const std::lock_guard lock(device_mutex);
  for (cudaStream_t stream : streams) run_all_of(stream);
}

}  // namespace emulated

using emulated::enqueue, emulated::fail, emulated::state, emulated::unsafe_while_capturing;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const std::lock_guard lock(device_mutex);
  streams.insert(*stream = std::make_unique<CUstream_st>().release());
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::lock_guard lock(device_mutex);
  const std::unique_ptr<CUstream_st> ended(stream);
  run_all_of(stream);
  streams.erase(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream->recorded) return fail(cudaErrorStreamCaptureUnsupported);
  const std::lock_guard lock(device_mutex);
  run_all_of(stream);
  return state();
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (stream->recorded && !event->captured) return fail(cudaErrorStreamCaptureIsolation);
  if (stream->recorded || event->mark == nullptr) return state();
  return enqueue(stream, [mark = event->mark] { run_until(*mark); });
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->recorded) return fail(cudaErrorIllegalState);
  stream->recorded = std::make_shared<Works>();
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
  return enqueue(stream, [work = exec->work] {
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
  if (event->device != stream->device) return fail(cudaErrorInvalidResourceHandle);
  event->captured = stream->recorded != nullptr;
  if (event->captured) return state();
  event->mark = std::make_shared<Mark>(Mark{stream, false});
  return enqueue(stream, [mark = event->mark] { mark->passed = true; });
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  if (flags != cudaEventRecordExternal) return cudaEventRecord(event, stream);
  if (!stream->recorded) return fail(cudaErrorIllegalState);
  event->mark = std::make_shared<Mark>(Mark{stream, false});
  return enqueue(stream, [mark = event->mark] { mark->passed = true; });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->captured) return fail(cudaErrorCapturedEvent);
  if (const cudaError_t status = unsafe_while_capturing(); status != cudaSuccess) return status;
  const std::lock_guard lock(device_mutex);
  if (event->mark != nullptr) run_until(*event->mark);
  return state();
}
cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  for (const cudaEvent_t event : {from, to}) {
    if (!event->timed || event->mark == nullptr) return fail(cudaErrorInvalidResourceHandle);
    if (!event->mark->passed) return fail(cudaErrorNotReady);
  }
  *milliseconds = 1;  // every candidate takes as long as the other
  return cudaSuccess;
}

}  // extern "C"
