#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace s2sam {

struct AlignedDelete {
  void operator()(void* data) const noexcept;
};

/// Host memory aligned to a cache line; throws Error{out_of_memory}.
std::unique_ptr<void, AlignedDelete> aligned_allocate(std::size_t bytes);

/// A buffer that grows on demand and never shrinks; growing loses its contents.
class AlignedBuffer {
 public:
  void* at_least(std::size_t bytes) {
    if (bytes > size_) {
      data_.reset();
      size_ = 0;
      data_ = aligned_allocate(bytes);
      size_ = bytes;
    }
    return data_.get();
  }
  /// May be asked from any thread.
  std::size_t size() const { return size_; }

 private:
  std::unique_ptr<void, AlignedDelete> data_;
  std::atomic<std::size_t> size_ = 0;
};

}  // namespace s2sam
