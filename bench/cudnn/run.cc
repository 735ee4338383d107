#include "run.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <random>
#include <sstream>
#include <type_traits>
#include <vector>

#include "cuda/check.hpp"
#include "cuda/stream/events.hpp"
#include "report.hpp"

namespace s2sam::bench {

namespace {

constexpr const char* op = "cudnn_patterns";

void check(cudaError_t status, const char* call) { s2sam::check(status, op, call); }

struct Free {
  void operator()(void* memory) const noexcept { static_cast<void>(cudaFree(memory)); }
};
using Memory = std::unique_ptr<void, Free>;

struct DestroyStream {
  void operator()(cudaStream_t stream) const noexcept { static_cast<void>(cudaStreamDestroy(stream)); }
};
using Stream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, DestroyStream>;

Memory allocated(std::size_t bytes) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, std::max<std::size_t>(bytes, 1)), "cudaMalloc");
  return Memory(memory);
}

Stream new_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return Stream(stream);
}

/// Random bits as numbers of a type whose size is between 0.5 and 1; those of 16 bit have random signs. Zeros would be too easy on
/// the power that a GPU may draw.
std::uint32_t number(std::uint32_t random, cudnnDataType_t type) {
  switch (type) {
    case CUDNN_DATA_FLOAT: return (random & 0x007FFFFFU) | 0x3F000000U;
    case CUDNN_DATA_HALF: return (random & 0x83FF83FFU) | 0x38003800U;
    case CUDNN_DATA_BFLOAT16: return (random & 0x807F807FU) | 0x3F003F00U;
    default: return random;
  }
}

/// A tensor of random numbers, which repeat after 64 MiB.
Memory filled(const Value& value, std::mt19937& random) {
  constexpr std::size_t most = std::size_t{16} << 20;
  const auto size = static_cast<std::size_t>(bytes(value));
  std::vector<std::uint32_t> block(std::min(most, (size + 3) / 4));
  for (std::uint32_t& one : block) one = number(static_cast<std::uint32_t>(random()), value.type);
  Memory memory = allocated(size);
  for (std::size_t done = 0; done < size; done += block.size() * 4) {
    const std::size_t part = std::min(size - done, block.size() * 4);
    check(cudaMemcpy(static_cast<std::byte*>(memory.get()) + done, block.data(), part, cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  return memory;
}

/// Memory for all that a graph reads and writes.
class Operands {
 public:
  explicit Operands(const Built& built) {
    std::mt19937 random(1);
    for (const Operand& operand : built.operands) {
      if (operand.role == Operand::Role::number) {
        pointers_.emplace_back(operand.value.number, &number_);
      } else {
        memory_.push_back(filled(operand.value, random));
        pointers_.emplace_back(operand.value.number, memory_.back().get());
      }
    }
  }
  const cudnn::Pointers& pointers() const { return pointers_; }

 private:
  float number_ = 0.1F;
  std::vector<Memory> memory_;
  cudnn::Pointers pointers_;
};

/// Milliseconds of one run of the plan, as the mean of `count` that follow each other.
double milliseconds(const cudnn::Device& device, const cudnn::Plan& plan, cudaStream_t stream, const Operands& operands,
                    void* workspace, int count) {
  const Event begin = make_timer(op), end = make_timer(op);
  check(cudaEventRecord(begin.get(), stream), "cudaEventRecord");
  for (int i = 0; i < count; ++i) plan.run(device, stream, operands.pointers(), workspace);
  check(cudaEventRecord(end.get(), stream), "cudaEventRecord");
  check(cudaEventSynchronize(end.get()), "cudaEventSynchronize");
  return static_cast<double>(milliseconds_between(begin, end, op)) / count;
}

struct Contestant {
  const Engine* engine;
  std::vector<double> times;
};

std::vector<Contestant> contestants_of(const Survey& survey) {
  constexpr std::size_t most = 4;  // in the order of cuDNN's own guess
  std::vector<Contestant> result;
  for (const Engine& engine : survey.engines) {
    if (engine.plan && result.size() < most) result.push_back({&engine, {}});
  }
  return result;
}

std::string printed(const std::vector<Contestant>& contestants) {
  std::ostringstream out;
  for (const Contestant& one : contestants) {
    out << (&one == contestants.data() ? "" : ",") << "{\"name\":" << quoted(one.engine->name) << ",\"milliseconds\":[";
    for (const double& time : one.times) out << (&time == one.times.data() ? "" : ",") << time;
    out << "]}";
  }
  return "[" + out.str() + "]";
}

/// Runs all in turn and adds to their times.
void run_all(const cudnn::Device& device, const Built& built, std::vector<Contestant>& contestants, int rounds) {
  constexpr int warm_up = 3, repeats = 10;
  std::size_t workspace = 0;
  for (const Contestant& one : contestants) workspace = std::max(workspace, one.engine->plan->workspace());
  const Stream stream = new_stream();
  const Operands operands(built);
  const Memory scratch = allocated(workspace);
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // the stream does not wait for what filled the operands
  for (int round = -1; round < rounds; ++round) {  // the first is not counted
    for (Contestant& one : contestants) {
      const int count = round < 0 ? warm_up : repeats;
      const double time = milliseconds(device, *one.engine->plan, stream.get(), operands, scratch.get(), count);
      if (round >= 0) one.times.push_back(time);
    }
  }
}

}  // namespace

void require_gpu() {
  int count = 0;
  check(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  check(cudaSetDevice(0), "cudaSetDevice");
}

Timing timed(const cudnn::Device& device, const Built& built, const Survey& survey, int rounds) {
  Timing result;
  try {
    std::vector<Contestant> contestants = contestants_of(survey);
    if (!contestants.empty()) run_all(device, built, contestants, rounds);
    result.times = printed(contestants);
  } catch (const std::exception& error) {
    result.failure = error.what();
  }
  return result;
}

}  // namespace s2sam::bench
