#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "s2sam/tensor.hpp"

/// What a backend offers beside the ops: its devices, their memory and their streams. Each binary is linked with one backend.
/// A stream and everything below is used from one thread, the one that opened it; callbacks come from the stream's own.
namespace s2sam {

class Stream;

namespace backend {

struct DeviceDescription {
  std::string name;
  std::int64_t memory_bytes = 0;
  std::string isa;  ///< CPU: the instruction set the kernels will use
  int cores = 0;    ///< CPU: how many cores this process may use
};

/// "cpu" or "cuda".
const char* name();
std::vector<DeviceDescription> devices();
/// Instruction sets compiled in, best last (CPU).
std::vector<std::string> compiled_isas();
/// Compiler and libraries.
std::vector<std::pair<std::string, std::string>> build();
/// Tells the backend, before its first use, where shared libraries it may open lie: (name, path), e.g. ("cudnn",
/// "/.../libcudnn.so.9"). A library not named is not used. The CPU backend uses none.
void use_libraries(std::vector<std::pair<std::string, std::string>> paths);

struct StreamDeleter {
  void operator()(Stream* stream) const;
};
/// Its end drops what has not started and waits for the command that runs.
using StreamPtr = std::unique_ptr<Stream, StreamDeleter>;

/// threads 0: as many as there are cores. Throws Error{argument} when there is no device of this index.
StreamPtr open(int index, int threads);
int threads(const Stream&);

struct MemoryDeleter {
  void operator()(void* data) const noexcept;
};
/// A block of device memory, aligned to 64 bytes at least.
using Memory = std::unique_ptr<void, MemoryDeleter>;

/// Contents undefined. Throws Error{out_of_memory}.
Memory allocate(Stream&, std::size_t bytes);
/// Frees the blocks once everything enqueued so far is done. Never recorded.
void release_later(Stream&, std::vector<Memory> blocks);
/// Bytes the stream itself holds for the scratch memory of its commands.
std::size_t scratch_bytes(const Stream&);

/// A recorded command list or a CUDA graph.
using Recording = std::shared_ptr<void>;
/// From here to end_capture, ops are recorded instead of run.
void begin_capture(Stream&);
Recording end_capture(Stream&);
/// Forgets what was recorded.
void abort_capture(Stream&);
void replay(Stream&, Recording);
/// Whether what was recorded works with the pattern of a mask that has changed since, and must be recorded again.
bool stale(const Recording&);

/// What one command did while a profile was taken.
struct Span {
  const char* op;
  std::uint32_t label;         ///< see `label`
  double begin, end;           ///< seconds since the profile began
  double flops, bytes;         ///< of the arithmetic done; of memory the command had to read and write
};
/// Commands enqueued from now on carry this number. It means nothing to the backend.
void label(Stream&, std::uint32_t number);
/// From now on commands are timed as they run; CUDA: also those of steps that are recorded from now on, each time they are replayed,
/// and a replay waits until the device is done. Forgets what was timed before. Not while a step is recorded.
void begin_profile(Stream&);
/// The commands that have run since begin_profile, in order; timing ends.
std::vector<Span> end_profile(Stream&);

/// How one pass over one layer is computed.
struct KernelChoice {
  const char* op;
  std::uint32_t label;
  double density;  ///< share of the weights kept; CUDA: multiplied
  std::string kernel;
  std::vector<std::pair<std::string, double>> candidates;  ///< what was timed, in milliseconds; none where a rule decided
  std::vector<std::pair<std::string, std::string>> refused;  ///< what did not work, and why
};
/// Of every layer that ran, in the order of first use, the newest choice.
std::vector<KernelChoice> choices(Stream&);

/// What this machine can do at most, on the stream's threads or the GPU, in GFLOP/s and GB/s; 0: does not apply.
struct Peaks {
  double arithmetic = 0;       ///< CPU: fused multiply-adds on registers; CUDA: a large product; of f32 (never TF32)
  double half_arithmetic = 0;  ///< CUDA: the same of bf16, summed in f32
  double first_level = 0, second_level = 0;  ///< CPU: as arithmetic, with one operand loaded from that cache
  double memory = 0;           ///< copying, bytes read plus bytes written
};
/// Enqueues measuring them, which takes about a second. Throws Error{device} where a library it takes is missing.
void measure_peaks(Stream&, std::shared_ptr<Peaks> result);

/// Enqueues y = the row-major elements at `host` (f32 for f16 and bf16), which is kept alive until then.
void upload(Stream&, std::shared_ptr<const void> host, Tensor y);
/// Enqueues the way back (f16 and bf16 become f32); `host` must stay valid until the stream has passed it.
void download(Stream&, Tensor x, void* host);

/// Calls `done` on the stream's thread after everything enqueued so far, with the first error a command met since the last
/// call of this kind (which is thereby handed over) or null. Never recorded.
void on_complete(Stream&, std::function<void(std::exception_ptr)> done);
/// Blocks until everything enqueued so far is done; errors stay for the next on_complete.
void drain(Stream&);

}  // namespace backend
}  // namespace s2sam
