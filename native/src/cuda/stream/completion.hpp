#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "cuda/stream/events.hpp"

namespace s2sam {

/// A thread that waits for marks in a stream and then calls back. (CUDA's own host callbacks are not called any more once the device
/// has failed, and promises would stay open for ever.)
class Completion {
 public:
  explicit Completion(int device);
  /// Drops what has not been called; waits for the callback that runs.
  ~Completion();
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  /// Calls `done` with the state of the device after `event`, in the order of these calls.
  void after(Event event, std::function<void(cudaError_t)> done);
  /// Blocks until everything so far was called.
  void drain();

 private:
  struct Job {
    Event event;
    std::function<void(cudaError_t)> done;
  };

  void loop(int device);

  std::mutex mutex_;
  std::condition_variable ready_, idle_;
  std::deque<Job> jobs_;
  bool busy_ = false;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace s2sam
