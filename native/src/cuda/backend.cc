#include "s2sam/backend.hpp"

#include <cuda_runtime_api.h>

#include <sstream>
#include <string>
#include <utility>

#include "cuda/check.hpp"
#include "cuda/libraries/library.hpp"
#include "cuda/peaks.hpp"
#include "cuda/stream/events.hpp"
#include "cuda/stream/stream.hpp"

namespace s2sam::backend {

namespace {

/// 13000 -> "13.0"
std::string cuda_version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

int device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

}  // namespace

const char* name() { return "cuda"; }

std::vector<DeviceDescription> devices() {
  std::vector<DeviceDescription> result;
  for (int index = 0; index < device_count(); ++index) {
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, index), "info", "cudaGetDeviceProperties");
    result.push_back({properties.name, static_cast<std::int64_t>(properties.totalGlobalMem),
                      "sm_" + std::to_string(properties.major * 10 + properties.minor), 0});
  }
  return result;
}

std::vector<std::string> compiled_isas() {
  std::vector<std::string> result;
  std::istringstream list(S2SAM_CUDA_ARCHITECTURES);
  for (std::string one; std::getline(list, one, ',');) result.push_back(one);
  return result;
}

std::vector<std::pair<std::string, std::string>> build() {
  int driver = 0, runtime = 0, count = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  auto result = Library::describe();
  result.emplace_back("compiler", "gcc " __VERSION__);
  result.emplace_back("runtime", "CUDA " + cuda_version(runtime));
  result.emplace_back("driver", driver == 0 ? "none" : "CUDA " + cuda_version(driver));
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaSuccess) {
    result.emplace_back("problem", cudaGetErrorString(status));
  }
  return result;
}

void use_libraries(std::vector<std::pair<std::string, std::string>> paths) { Library::use(std::move(paths)); }

void StreamDeleter::operator()(Stream* stream) const { std::default_delete<Stream>()(stream); }

StreamPtr open(int index, int) {
  if (const int count = device_count(); index >= count) {
    throw Error(Code::argument, "openDevice",
                "there is no CUDA device " + std::to_string(index) + "; this machine has " + std::to_string(count));
  }
  return StreamPtr(std::make_unique<Stream>(index).release());
}

int threads(const Stream&) { return 1; }

void MemoryDeleter::operator()(void* data) const noexcept {
  const BesideCapture beside;
  cudaFree(data);
}

Memory allocate(Stream& stream, std::size_t bytes) {
  const BesideCapture beside;
  stream.make_current();
  void* data = nullptr;
  stream.check(cudaMalloc(&data, bytes), "allocate", "cudaMalloc");
  return Memory(data);
}

void release_later(Stream& stream, std::vector<Memory> blocks) { stream.release_later(std::move(blocks)); }

std::size_t scratch_bytes(const Stream& stream) { return stream.held_bytes(); }

void begin_capture(Stream& stream) { stream.begin_capture(); }
Recording end_capture(Stream& stream) { return stream.end_capture(); }
void abort_capture(Stream& stream) { stream.abort_capture(); }
void replay(Stream& stream, Recording recording) { stream.replay(recording); }
bool stale(const Recording& recording) { return Stream::stale(recording); }

void upload(Stream& stream, std::shared_ptr<const void> host, Tensor y) { stream.upload(std::move(host), y); }
void download(Stream& stream, Tensor x, void* host) { stream.download(x, host); }

void label(Stream& stream, std::uint32_t number) { stream.profile().label(number); }
void begin_profile(Stream& stream) {
  stream.make_current();
  stream.profile().begin(stream.handle());
}
std::vector<Span> end_profile(Stream& stream) { return stream.profile().end(); }
std::vector<KernelChoice> choices(Stream& stream) { return stream.choices().all(); }
void measure_peaks(Stream& stream, std::shared_ptr<Peaks> result) { *result = s2sam::measure_peaks(stream); }

void on_complete(Stream& stream, std::function<void(std::exception_ptr)> done) { stream.on_complete(std::move(done)); }
void drain(Stream& stream) { stream.drain(); }

}  // namespace s2sam::backend
