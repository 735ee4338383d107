#include "s2sam/backend.hpp"

#include <fstream>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <future>

#include "cpu/memory.hpp"
#include "cpu/peaks.hpp"
#include "cpu/stream.hpp"
#include "s2sam/error.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::backend {

namespace {

/// Cores this process may use: its affinity, lowered by a container's CPU quota (cgroup v2).
int usable_cores() {
  cpu_set_t set;
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  std::ifstream quota_file("/sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;
  if (quota_file >> quota >> period && period > 0) {  // "max 100000" fails to parse: no quota
    cores = std::min(cores, static_cast<int>(std::ceil(quota / period)));
  }
  return std::max(cores, 1);
}

/// Physical memory, lowered by a container's limit (cgroup v2).
std::int64_t usable_memory() {
  std::int64_t bytes = static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  std::ifstream limit_file("/sys/fs/cgroup/memory.max");
  std::int64_t limit = 0;
  if (limit_file >> limit) bytes = std::min(bytes, limit);
  return bytes;
}

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

}  // namespace

const char* name() { return "cpu"; }

std::vector<DeviceDescription> devices() {
  return {{processor_name(), usable_memory(), name_of(choose_isa()), usable_cores()}};
}

std::vector<std::string> compiled_isas() {
#if defined(__x86_64__)
  return {name_of(Isa::baseline), name_of(Isa::avx2), name_of(Isa::avx512)};
#else
  return {name_of(Isa::baseline)};
#endif
}

std::vector<std::pair<std::string, std::string>> build() {
#if defined(__clang__)
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "gcc " __VERSION__;
#endif
  return {{"compiler", compiler}};
}

void use_libraries(std::vector<std::pair<std::string, std::string>>) {}

void StreamDeleter::operator()(Stream* stream) const { std::default_delete<Stream>()(stream); }

StreamPtr open(int index, int threads) {
  if (index != 0) {
    throw Error(Code::argument, "openDevice",
                "there is no CPU device " + std::to_string(index) + "; the CPU backend has only device 0");
  }
  return StreamPtr(std::make_unique<Stream>(choose_isa(), threads > 0 ? threads : usable_cores()).release());
}

int threads(const Stream& stream) { return stream.threads(); }

void MemoryDeleter::operator()(void* data) const noexcept { AlignedDelete()(data); }

Memory allocate(Stream&, std::size_t bytes) { return Memory(aligned_allocate(bytes).release()); }

void release_later(Stream& stream, std::vector<Memory> blocks) {
  if (blocks.empty()) return;
  // A std::function must be copyable, so the blocks are shared; the last copy of the command frees them.
  stream.after([kept = std::make_shared<std::vector<Memory>>(std::move(blocks))] { kept->clear(); });
}

std::size_t scratch_bytes(const Stream& stream) { return stream.scratch_bytes(); }

void begin_capture(Stream& stream) { stream.begin_capture(); }
Recording end_capture(Stream& stream) { return stream.end_capture(); }
void abort_capture(Stream& stream) { stream.end_capture(); }
bool stale(const Recording&) { return false; }  // commands look at their masks when they run
void replay(Stream& stream, Recording recording) {
  stream.replay(std::static_pointer_cast<std::vector<Command>>(std::move(recording)));
}

void upload(Stream& stream, std::shared_ptr<const void> host, Tensor y) {
  Tensor x{y.shape, y.dtype, Format::plain, 0, const_cast<void*>(host.get())};
  ops::copy(stream, x, y);
  stream.after([host = std::move(host)] {});
}

void download(Stream& stream, Tensor x, void* host) {
  ops::copy(stream, x, Tensor{x.shape, x.dtype, Format::plain, 0, host});
}

void label(Stream& stream, std::uint32_t number) { stream.label(number); }
void begin_profile(Stream& stream) { stream.profile().begin(); }
std::vector<Span> end_profile(Stream& stream) { return stream.profile().end(); }

std::vector<KernelChoice> choices(Stream& stream) { return stream.choices().all(); }

void measure_peaks(Stream& stream, std::shared_ptr<Peaks> result) {
  stream.submit("measurePeaks", [=](Context& context) { *result = s2sam::measure_peaks(context); });
}

void on_complete(Stream& stream, std::function<void(std::exception_ptr)> done) { stream.on_complete(std::move(done)); }

void drain(Stream& stream) {
  std::promise<void> reached;
  stream.after([&reached] { reached.set_value(); });
  reached.get_future().get();
}

}  // namespace s2sam::backend
