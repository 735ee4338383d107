#pragma once

#include <cuda_runtime_api.h>

#include <mutex>
#include <optional>

#include "s2sam/error.hpp"

namespace s2sam {

/// Some CUDA errors (an illegal address, a failed launch) leave the device unusable for the rest of the process, and every later
/// call reports them again in other words. This keeps the first, which is the one that tells something.
class Health {
 public:
  /// Of this process.
  static Health& get();

  /// Notes the error if it is of that kind and the first.
  void note(cudaError_t status, const Error& error);
  /// Throws the first such error, if there was one.
  void check() const;

 private:
  mutable std::mutex mutex_;
  std::optional<Error> first_;
};

}  // namespace s2sam
