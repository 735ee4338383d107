#include "cuda/stream/stream.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "s2sam/ops.hpp"
#include "s2sam/wrong_data.hpp"

namespace s2sam {

namespace {

/// Up to here a copy of plain data goes straight into its tensor; larger ones overlap with the work enqueued before them.
constexpr std::size_t small_copy = std::size_t{64} << 10;
/// Plain data is copied in pieces of at most so many bytes, so that the memory they pass through, which is kept, stays small.
constexpr std::size_t largest_piece = std::size_t{64} << 20;

CudaStream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "openDevice", "cudaStreamCreateWithFlags");
  return CudaStream(stream);
}

DeviceLimits limits_of(int device) {
  check(cudaSetDevice(device), "openDevice", "cudaSetDevice");
  const auto attribute = [device](cudaDeviceAttr wanted) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, wanted, device), "openDevice", "cudaDeviceGetAttribute");
    return value;
  };
  return {device, attribute(cudaDevAttrMultiProcessorCount),
          10 * attribute(cudaDevAttrComputeCapabilityMajor) + attribute(cudaDevAttrComputeCapabilityMinor)};
}

bool asked_for_synchronous() {
  const char* text = std::getenv("S2SAM_SYNC");
  return text != nullptr && std::string_view(text) == "1";
}

struct GraphDeleter {
  void operator()(cudaGraph_t graph) const noexcept { cudaGraphDestroy(graph); }
};

struct GraphExecDeleter {
  void operator()(cudaGraphExec_t exec) const noexcept { cudaGraphExecDestroy(exec); }
};

/// What a backend::Recording points to.
struct RecordedStep {
  std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, GraphExecDeleter> exec;
  std::vector<NotedPattern> patterns;
  TimedOps timed;
};

RecordedStep& recorded(const backend::Recording& recording) { return *static_cast<RecordedStep*>(recording.get()); }

/// Bytes of the tensor's elements as the host has them.
std::size_t host_bytes(const Tensor& tensor) {
  return static_cast<std::size_t>(tensor.shape.count()) * (is_half(tensor.dtype) ? sizeof(float) : size_of(tensor.dtype));
}

Tensor host_form(const Tensor& tensor, void* data) {
  return {tensor.shape, is_half(tensor.dtype) ? DType::f32 : tensor.dtype, Format::plain, 0, data};
}

/// As many u8 of a tensor that the device holds as the host does.
Tensor piece_of(const Tensor& tensor, std::size_t begin, std::size_t bytes) {
  return {{static_cast<std::int64_t>(bytes)}, DType::u8, Format::plain, 0, tensor.as<std::byte>() + begin};
}

/// Whether the device holds it as the host does.
bool is_host_form(const Tensor& tensor) { return tensor.format == Format::plain && !is_half(tensor.dtype); }

std::exception_ptr error_of(const Fault& fault) {
  switch (fault.kind) {
    case Fault::none: return nullptr;
    case Fault::index_out_of_range:
      return std::make_exception_ptr(
          index_out_of_range(fault.op.get(), fault.what.get(), fault.position, fault.value, fault.limit));
    case Fault::too_few_weights:
      return std::make_exception_ptr(too_few_weights(fault.op.get(), static_cast<std::size_t>(fault.position), fault.shape,
                                                     fault.what.get(), fault.value, fault.limit));
  }
  return std::make_exception_ptr(Error(Code::internal, "wait", "the record of faults is damaged"));
}

}  // namespace

Stream::Stream(int device)
    : limits_(limits_of(device)),
      synchronous_(asked_for_synchronous()),
      stream_(make_stream()),
      copies_(make_stream()),
      faults_(backend::allocate(*this, sizeof(Fault))),
      ticket_(backend::allocate(*this, tickets * sizeof(unsigned))),
      completion_(device) {
  check(cudaMemsetAsync(faults_.get(), 0, sizeof(Fault), handle()), "openDevice", "cudaMemsetAsync");
  check(cudaMemsetAsync(ticket_.get(), 0, tickets * sizeof(unsigned), handle()), "openDevice", "cudaMemsetAsync");
}

Stream::~Stream() { cudaStreamSynchronize(handle()); }

void Stream::check(cudaError_t status, const char* op, const char* call) const {
  if (status == cudaSuccess) return;
  const Error error = cuda_error(op, call, status);
  Health::get().note(status, error);
  throw Error(error);
}

void Stream::begin_op() {
  Health::get().check();
  make_current();
  scratch_.rewind(*this);
}

void Stream::make_current() const { check(cudaSetDevice(limits_.index), "device", "cudaSetDevice"); }

void Stream::synchronize(const char* op) { check(cudaStreamSynchronize(handle()), op, "cudaStreamSynchronize"); }

Event Stream::mark(const char* op) const {
  make_current();
  Event event = make_event(op);
  check(cudaEventRecord(event.get(), handle()), op, "cudaEventRecord");
  return event;
}

void Stream::begin_capture() {
  begin_op();
  before_capture_ = mark("captureBegin");
  noted_.clear();
  profile_.take_recorded();
  // Relaxed, since a library may allocate or ask the device while it enqueues; our own ops say where they do (BesideCapture).
  check(cudaStreamBeginCapture(handle(), cudaStreamCaptureModeRelaxed), "captureBegin", "cudaStreamBeginCapture");
  capturing_ = true;
}

backend::Recording Stream::end_capture() {
  capturing_ = false;
  cudaGraph_t made = nullptr;
  check(cudaStreamEndCapture(handle(), &made), "captureEnd", "cudaStreamEndCapture");
  const std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, GraphDeleter> graph(made);
  auto step = std::make_shared<RecordedStep>();
  step->patterns = std::exchange(noted_, {});
  step->timed = profile_.take_recorded();
  cudaGraphExec_t exec = nullptr;
  check(cudaGraphInstantiate(&exec, graph.get(), 0), "captureEnd", "cudaGraphInstantiate");
  step->exec.reset(exec);
  scratch_.pin();
  return step;
}

void Stream::abort_capture() {
  capturing_ = false;
  cudaGraph_t made = nullptr;
  cudaStreamEndCapture(handle(), &made);
  if (made != nullptr) cudaGraphDestroy(made);
  cudaGetLastError();
}

void Stream::replay(const backend::Recording& recording) {
  begin_op();
  check(cudaGraphLaunch(recorded(recording).exec.get(), handle()), "replay", "cudaGraphLaunch");
  if (const TimedOps& timed = recorded(recording).timed; profile_.running() && !timed.empty()) {
    synchronize("replay");  // the next launch sets the marks anew
    profile_.add(timed);
  }
  if (synchronous_) synchronize("replay");
  // The graph must outlive the launch.
  completion_.after(mark("replay"), [recording](cudaError_t) {});
}

Stream& Stream::beside() {
  if (beside_ == nullptr) {
    beside_ = std::make_unique<Stream>(limits_.index);
    beside_->kept_bytes_ = kept_bytes_;
  }
  check(cudaStreamWaitEvent(beside_->handle(), before_capture_.get(), 0), "captureBegin", "cudaStreamWaitEvent");
  return *beside_;
}

void Stream::note_pattern(NotedPattern pattern) {
  if (capturing_) noted_.push_back(std::move(pattern));
}

bool Stream::stale(const backend::Recording& recording) {
  const auto changed = [](const NotedPattern& pattern) { return pattern.mask->version != pattern.version; };
  const auto& patterns = recorded(recording).patterns;
  return std::any_of(patterns.begin(), patterns.end(), changed);
}

void Stream::upload(std::shared_ptr<const void> host, const Tensor& y) {
  const std::size_t bytes = host_bytes(y);
  if (!is_host_form(y) || bytes <= largest_piece) return upload_piece(host.get(), y);
  for (std::size_t begin = 0; begin < bytes; begin += largest_piece) {
    upload_piece(static_cast<const std::byte*>(host.get()) + begin, piece_of(y, begin, std::min(largest_piece, bytes - begin)));
  }
}

void Stream::upload_piece(const void* host, const Tensor& y) {
  constexpr const char* op = "write";
  begin_op();
  const std::size_t bytes = host_bytes(y);
  const bool direct = is_host_form(y) && bytes <= small_copy;
  const Staging::BlockPtr block = staging_.take(*this, op, bytes, !direct);
  std::memcpy(block->host.get(), host, bytes);
  if (direct) {
    check(cudaMemcpyAsync(y.data, block->host.get(), bytes, cudaMemcpyHostToDevice, handle()), op, "cudaMemcpyAsync");
  } else {
    check(cudaMemcpyAsync(block->device.get(), block->host.get(), bytes, cudaMemcpyHostToDevice, copies_.get()), op,
          "cudaMemcpyAsync");
    const Event copied = make_event(op);
    check(cudaEventRecord(copied.get(), copies_.get()), op, "cudaEventRecord");
    check(cudaStreamWaitEvent(handle(), copied.get(), 0), op, "cudaStreamWaitEvent");
    ops::copy(*this, host_form(y, block->device.get()), y);
  }
  completion_.after(mark(op), [block](cudaError_t) {});
}

void Stream::download(const Tensor& x, void* host) {
  constexpr const char* op = "read";
  begin_op();
  const std::size_t bytes = host_bytes(x);
  const bool direct = is_host_form(x);
  const Staging::BlockPtr block = staging_.take(*this, op, bytes, !direct);
  if (!direct) ops::copy(*this, x, host_form(x, block->device.get()));
  const void* source = direct ? x.data : block->device.get();
  check(cudaMemcpyAsync(block->host.get(), source, bytes, cudaMemcpyDeviceToHost, handle()), op, "cudaMemcpyAsync");
  completion_.after(mark(op), [block, host, bytes](cudaError_t status) {
    if (status == cudaSuccess) std::memcpy(host, block->host.get(), bytes);
  });
}

void Stream::on_complete(std::function<void(std::exception_ptr)> done) {
  constexpr const char* op = "wait";
  begin_op();
  const Staging::BlockPtr block = staging_.take(*this, op, sizeof(Fault), false);
  check(cudaMemcpyAsync(block->host.get(), faults(), sizeof(Fault), cudaMemcpyDeviceToHost, handle()), op, "cudaMemcpyAsync");
  check(cudaMemsetAsync(faults(), 0, sizeof(Fault), handle()), op, "cudaMemsetAsync");
  completion_.after(mark(op), [block, done = std::move(done)](cudaError_t status) {
    if (status == cudaSuccess) return done(error_of(*static_cast<const Fault*>(block->host.get())));
    const Error error = cuda_error(op, "the GPU", status);
    Health::get().note(status, error);
    done(std::make_exception_ptr(error));
  });
}

void Stream::read_now(const char* op, const void* from, void* to, std::size_t bytes) {
  const Staging::BlockPtr block = staging_.take(*this, op, bytes, false);
  check(cudaMemcpyAsync(block->host.get(), from, bytes, cudaMemcpyDeviceToHost, handle()), op, "cudaMemcpyAsync");
  synchronize(op);
  std::memcpy(to, block->host.get(), bytes);
}

void Stream::release_later(std::vector<backend::Memory> blocks) {
  if (blocks.empty()) return;
  if (capturing_) {  // no mark can be set in a stream that records, but nothing runs on it meanwhile
    const BesideCapture beside;
    check(cudaEventSynchronize(before_capture_.get()), "release", "cudaEventSynchronize");
    return blocks.clear();
  }
  completion_.after(mark("release"), [kept = std::make_shared<std::vector<backend::Memory>>(std::move(blocks))](cudaError_t) {
    kept->clear();
  });
}

void Stream::drain() {
  const BesideCapture beside;
  if (capturing_) {
    cudaEventSynchronize(before_capture_.get());
  } else {
    cudaStreamSynchronize(handle());
  }
  completion_.drain();
}

}  // namespace s2sam
