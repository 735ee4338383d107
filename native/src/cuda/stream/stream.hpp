#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <type_traits>
#include <typeindex>
#include <typeinfo>
#include <utility>
#include <vector>

#include "cuda/check.hpp"
#include "cuda/fault.hpp"
#include "cuda/stream/completion.hpp"
#include "cuda/stream/health.hpp"
#include "cuda/stream/profile.hpp"
#include "cuda/stream/scratch.hpp"
#include "cuda/stream/staging.hpp"
#include "s2sam/backend.hpp"
#include "profile/choices.hpp"
#include "s2sam/mask.hpp"

namespace s2sam {

struct CudaStreamDeleter {
  void operator()(cudaStream_t stream) const noexcept { cudaStreamDestroy(stream); }
};
using CudaStream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, CudaStreamDeleter>;

/// What kernels are cut to.
struct DeviceLimits {
  int index = 0;
  int processors = 1;  ///< streaming multiprocessors
  int compute_capability = 0;  ///< 90 for 9.0
};

/// What one op may use while it enqueues its work. Kernels are enqueued with launch() (launch.hpp), library calls with handle().
class Op {
 public:
  Op(Stream& stream, const char* name) : stream_(stream), name_(name) {}

  const char* name() const { return name_; }
  Stream& stream() const { return stream_; }
  cudaStream_t handle() const;
  const DeviceLimits& limits() const;
  /// Device memory until the op is over, aligned to 256 bytes, contents undefined; every call gives other memory.
  void* scratch(std::size_t bytes) const;
  template <class T>
  T* scratch_of(std::int64_t count) const {
    return static_cast<T*>(scratch(static_cast<std::size_t>(count) * sizeof(T)));
  }
  /// Where kernels report data found wrong.
  Fault* faults() const;
  /// The first of Stream::tickets counters in device memory that are 0 between kernels, with which the blocks of a kernel find the
  /// last of them (block.hpp).
  unsigned* ticket() const;
  /// Enqueues zeros.
  void clear(void* data, std::size_t bytes) const { check(cudaMemsetAsync(data, 0, bytes, handle()), "cudaMemsetAsync"); }
  /// Throws unless the call succeeded.
  void check(cudaError_t status, const char* call) const;
  /// Adds to what the op says it did; for profiles.
  void count(Work work) const {
    work_.flops += work.flops;
    work_.bytes += work.bytes;
  }
  Work work() const { return work_; }

 private:
  Stream& stream_;
  const char* name_;
  mutable Work work_;
};

/// What a recorded step was compiled for: the bits that a mask had then.
struct NotedPattern {
  std::shared_ptr<const Mask> mask;
  std::uint64_t version;
  std::shared_ptr<const void> compiled;  ///< what the step uses of it, kept alive
};

/// A CUDA stream and what belongs to it: memory for ops and copies, the record of faults, the thread that waits. Used from the thread
/// that opened it.
class Stream {
 public:
  static constexpr int tickets = 4096;

  explicit Stream(int device);
  /// Waits for what runs.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Enqueues what body(Op&) does; `name` must be a string literal. Throws what the device died of, if it did. With S2SAM_SYNC=1 waits
  /// until it is done, so that errors name the op they belong to.
  template <class Body>
  void submit(const char* name, const Body& body) {
    begin_op();
    Op op(*this, name);
    std::optional<TimedOp> timed = profile_.start(name, handle(), capturing_);
    body(op);
    if (timed) profile_.finish(std::move(*timed), op.work(), handle(), capturing_);
    if (synchronous_ && !capturing_) synchronize(name);
  }

  void begin_capture();
  backend::Recording end_capture();
  /// Forgets what was recorded, also where the recording is spoiled.
  void abort_capture();
  bool capturing() const { return capturing_; }
  void replay(const backend::Recording& recording);
  /// The step being recorded works with this alone; nothing while no step is recorded.
  void note_pattern(NotedPattern pattern);
  /// Whether a mask that the step was compiled for has other bits by now.
  static bool stale(const backend::Recording& recording);

  /// Another stream of the device, for what must be done but not recorded while a step is: it waits for what was enqueued on this one
  /// before. Use it under a BesideCapture.
  Stream& beside();

  void upload(std::shared_ptr<const void> host, const Tensor& y);
  void download(const Tensor& x, void* host);

  /// Calls `done` on the waiting thread after everything enqueued so far, with the first fault or error since the last such call.
  void on_complete(std::function<void(std::exception_ptr)> done);
  void release_later(std::vector<backend::Memory> blocks);
  /// Blocks.
  void drain();
  /// Blocks until everything enqueued so far is done, and copies from the device. Not while a step is recorded.
  void read_now(const char* op, const void* from, void* to, std::size_t bytes);
  /// A count of bytes that KeptBlock adds to; it may outlive the stream.
  const std::shared_ptr<std::atomic<std::size_t>>& kept_bytes() const { return kept_bytes_; }
  /// What a family of ops keeps as long as the stream lives: a Part(stream), made at the first use.
  template <class Part>
  Part& part() {
    std::shared_ptr<void>& slot = parts_[std::type_index(typeid(Part))];
    if (slot == nullptr) slot = std::make_shared<Part>(*this);
    return *static_cast<Part*>(slot.get());
  }

  /// Not begun while a step is recorded.
  Profile& profile() { return profile_; }
  /// How convolutions are computed.
  Choices& choices() { return choices_; }

  cudaStream_t handle() const { return stream_.get(); }
  const DeviceLimits& limits() const { return limits_; }
  Scratch& scratch() { return scratch_; }
  Fault* faults() const { return static_cast<Fault*>(faults_.get()); }
  unsigned* ticket() const { return static_cast<unsigned*>(ticket_.get()); }
  /// Makes calls of this thread that name no device or stream mean this device.
  void make_current() const;
  /// Device memory that is in no tensor.
  std::size_t held_bytes() const { return scratch_.bytes() + staging_.device_bytes() + *kept_bytes_; }
  /// Throws unless the call succeeded.
  void check(cudaError_t status, const char* op, const char* call) const;

 private:
  void begin_op();
  void upload_piece(const void* host, const Tensor& y);
  void synchronize(const char* op);
  /// A mark behind everything enqueued so far.
  Event mark(const char* op) const;

  DeviceLimits limits_;
  bool synchronous_;
  bool capturing_ = false;
  CudaStream stream_, copies_;
  Event before_capture_;
  std::unique_ptr<Stream> beside_;
  Scratch scratch_;
  Staging staging_;
  backend::Memory faults_, ticket_;
  std::shared_ptr<std::atomic<std::size_t>> kept_bytes_ = std::make_shared<std::atomic<std::size_t>>(0);
  std::vector<NotedPattern> noted_;
  std::map<std::type_index, std::shared_ptr<void>> parts_;
  Profile profile_;
  Choices choices_;
  Completion completion_;
};

inline cudaStream_t Op::handle() const { return stream_.handle(); }
inline const DeviceLimits& Op::limits() const { return stream_.limits(); }
inline void* Op::scratch(std::size_t bytes) const { return stream_.scratch().take(stream_, bytes); }
inline Fault* Op::faults() const { return stream_.faults(); }
inline unsigned* Op::ticket() const { return stream_.ticket(); }
inline void Op::check(cudaError_t status, const char* call) const { stream_.check(status, name_, call); }

}  // namespace s2sam
