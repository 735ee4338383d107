#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "cuda/stream/stream.hpp"

namespace s2sam {

/// Device memory for what several ops need, beside tensors and scratch; counted as held by its stream.
class KeptBlock {
 public:
  /// Contents undefined. Throws Error{out_of_memory}. Not while a step is recorded.
  KeptBlock(Stream& stream, std::size_t bytes)
      : memory_(backend::allocate(stream, bytes > 0 ? bytes : 1)), bytes_(bytes), total_(stream.kept_bytes()) {
    *total_ += bytes_;
  }
  /// Waits for the device.
  ~KeptBlock() { *total_ -= bytes_; }
  KeptBlock(const KeptBlock&) = delete;
  KeptBlock& operator=(const KeptBlock&) = delete;

  template <class T>
  T* as() const {
    return static_cast<T*>(memory_.get());
  }

 private:
  backend::Memory memory_;
  std::size_t bytes_;
  std::shared_ptr<std::atomic<std::size_t>> total_;
};

}  // namespace s2sam
