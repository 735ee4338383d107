#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "s2sam/backend.hpp"

namespace s2sam {

/// Reuses the memory of one device in stream order. A block goes back to a free list the moment its last owner is gone,
/// even while commands that use it wait in the queue: whoever gets it next enqueues behind them.
///
/// Captured steps have blocks of their own (the step arena): memory made during a capture is reused by captures alone, since
/// a replay writes to it at any later time. Graphs of one device share it; they never run at once.
///
/// Used from the thread that owns the device.
class Pool {
  struct Block {
    backend::Memory memory;
    std::size_t bytes = 0;
  };

 public:
  /// The memory of one tensor and its views; shared by their owners.
  class Storage {
   public:
    Storage(Pool& pool, Block block, std::size_t asked, bool step);
    ~Storage();
    Storage(const Storage&) = delete;
    Storage& operator=(const Storage&) = delete;

    void* data() const { return block_.memory.get(); }
    /// Number of the capture it was made in; 0: outside of any.
    std::size_t capture() const { return capture_; }

   private:
    Pool& pool_;
    Block block_;
    std::size_t asked_;
    std::size_t capture_;
  };
  using StoragePtr = std::shared_ptr<Storage>;

  /// limit: most bytes held at once.
  Pool(Stream& stream, std::size_t limit) : stream_(stream), limit_(limit) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Contents undefined. Throws Error{out_of_memory}, after having given back what was cached.
  StoragePtr allocate(const char* op, std::size_t bytes);

  void begin_capture();
  void end_capture() { capturing_ = false; }
  bool capturing() const { return capturing_; }
  /// Number of the capture that runs, or of the last one.
  std::size_t capture() const { return captures_; }
  /// No graph is left: the step arena is ordinary memory again.
  void dissolve_step_arena();

  /// Gives free blocks back to the system, in stream order; the step arena stays.
  void trim();

  std::size_t active() const { return active_; }
  std::size_t peak() const { return peak_; }
  /// Bytes held that are in no tensor.
  std::size_t cached() const { return held_ - active_; }
  void reset_peak() { peak_ = active_; }

 private:
  using FreeList = std::map<std::size_t, std::vector<backend::Memory>>;

  static Block take(FreeList& list, std::size_t bytes);
  void put_back(Block block, bool step);
  /// Trims and waits until the memory is really free. Blocks, so only for when there is no other way.
  void empty_cache();
  Block fresh(const char* op, std::size_t asked, std::size_t bytes);

  Stream& stream_;
  std::size_t limit_;
  FreeList free_, step_free_;
  bool capturing_ = false;
  bool step_arena_ = false;
  std::size_t captures_ = 0;
  std::size_t held_ = 0, active_ = 0, peak_ = 0;
};

/// S2SAM_MEMORY_LIMIT (bytes), else `otherwise`. Throws Error{argument} for anything but a positive whole number.
std::size_t memory_limit(std::size_t otherwise);

}  // namespace s2sam
