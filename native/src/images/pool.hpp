#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "images/image.hpp"

namespace s2sam::images {

/// Work on the images of a batch, done by as many threads as are free.
struct Job {
  std::size_t count = 0;
  /// Of image i; must not throw.
  std::function<void(std::size_t i, Scratch&)> each;
  /// Once all are done, on the thread of the last one.
  std::function<void()> done;
};

/// Threads that take images from jobs, first come first served.
class Pool {
 public:
  explicit Pool(int threads);
  /// Finishes the images at work and drops all others; then their `done` is never called.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// A job has at least one image.
  void add(Job job);

 private:
  struct Running {
    Job job;
    std::size_t next = 0, left = 0;
  };

  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Running>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace s2sam::images
