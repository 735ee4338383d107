#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

#include "s2sam/backend.hpp"

namespace s2sam {

/// What a stream's commands did, while somebody wants to know. Begun and ended by the thread that enqueues, filled by the
/// one that runs commands.
class Profile {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static Time now() { return std::chrono::steady_clock::now(); }

  bool running() const { return running_; }
  void begin();
  std::vector<backend::Span> end();
  void add(const char* op, std::uint32_t label, Time begin, Time end, double flops, double bytes);

 private:
  std::atomic<bool> running_ = false;
  std::mutex mutex_;
  Time origin_;
  std::vector<backend::Span> spans_;
};

}  // namespace s2sam
