#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "memory/pool.hpp"
#include "s2sam/backend.hpp"
#include "s2sam/mask.hpp"

namespace s2sam::addon {

/// An open device: its stream, its memory, and how many handles live on it.
struct Device {
  Device(int index, int threads)
      : description(backend::devices().at(static_cast<std::size_t>(index))),
        stream(backend::open(index, threads)),
        pool(*stream, memory_limit(static_cast<std::size_t>(description.memory_bytes))) {}
  /// The pool's memory may go only when nothing runs any more.
  ~Device() { stop(); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /// Drops queued work and waits for what runs.
  void stop() { stream.reset(); }

  backend::DeviceDescription description;
  backend::StreamPtr stream;
  Pool pool;
  /// Memory from outside the capture that its commands use.
  std::vector<Pool::StoragePtr> captured;
  /// Numbers of the texts given to `label`; what carries no label has number 0.
  std::map<std::string, std::uint32_t> labels{{"", 0}};
  std::size_t tensors = 0, masks = 0, graphs = 0;
};

/// Counts one handle of a device for as long as it lives.
class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(&count) { ++*count_; }
  Counted(Counted&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  Counted& operator=(Counted&&) = delete;
  ~Counted() {
    if (count_ != nullptr) --*count_;
  }

 private:
  std::size_t* count_;
};

struct TensorRecord {
  Device* device;
  Tensor tensor;
  Pool::StoragePtr storage;
  Counted counted{device->tensors};
};

struct MaskRecord {
  Device* device;
  std::shared_ptr<Mask> mask;
  Pool::StoragePtr bits;
  Counted counted{device->masks};
};

struct GraphRecord {
  Device* device;
  backend::Recording recording;
  std::vector<Pool::StoragePtr> uses;
  Counted counted{device->graphs};
};

}  // namespace s2sam::addon
