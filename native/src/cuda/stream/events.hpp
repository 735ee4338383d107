#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <type_traits>

namespace s2sam {

struct EventDeleter {
  void operator()(cudaEvent_t event) const noexcept { cudaEventDestroy(event); }
};
using Event = std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, EventDeleter>;

/// A mark in a stream that a thread may wait for without burning a core. Throws Error.
Event make_event(const char* op);
/// A mark that knows when the GPU passed it. Throws Error.
Event make_timer(const char* op);
/// Between two such marks that the GPU has passed. Throws Error.
float milliseconds_between(const Event& from, const Event& to, const char* op);

/// While it lives, this thread may make calls that CUDA forbids beside a capture because they might touch the recorded stream:
/// ours never do.
class BesideCapture {
 public:
  BesideCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~BesideCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  BesideCapture(const BesideCapture&) = delete;
  BesideCapture& operator=(const BesideCapture&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

}  // namespace s2sam
