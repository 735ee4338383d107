#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "s2sam/backend.hpp"

namespace s2sam {

struct PinnedDeleter {
  void operator()(void* data) const noexcept;
};
/// Host memory that the device copies to and from by itself.
using Pinned = std::unique_ptr<void, PinnedDeleter>;

/// A pinned block and, for copies that are converted on the way, a block of the device's memory.
struct StagingBlock {
  Pinned host;
  backend::Memory device;
  std::size_t bytes = 0;
};

/// Blocks for copies under way between host and device. A block comes back when its last user lets go of it, on any thread.
class Staging {
 public:
  using BlockPtr = std::shared_ptr<StagingBlock>;

  /// A block of at least this size. Throws Error{out_of_memory}.
  BlockPtr take(Stream& stream, const char* op, std::size_t bytes, bool with_device);
  /// Bytes of device memory held.
  std::size_t device_bytes() const;

 private:
  struct Shelf {
    std::mutex mutex;
    std::multimap<std::size_t, StagingBlock> plain, with_device;
    std::size_t device_bytes = 0;
  };

  /// Shared with the blocks, which may outlive the stream in a callback.
  std::shared_ptr<Shelf> shelf_ = std::make_shared<Shelf>();
};

}  // namespace s2sam
