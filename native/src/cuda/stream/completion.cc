#include "cuda/stream/completion.hpp"

#include <utility>

namespace s2sam {

Completion::Completion(int device) : thread_([this, device] { loop(device); }) {}

Completion::~Completion() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  ready_.notify_one();
  thread_.join();
}

void Completion::after(Event event, std::function<void(cudaError_t)> done) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(event), std::move(done)});
  }
  ready_.notify_one();
}

void Completion::drain() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return jobs_.empty() && !busy_; });
}

void Completion::loop(int device) {
  cudaSetDevice(device);
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      busy_ = false;
      idle_.notify_all();
      ready_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
      if (closing_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      busy_ = true;
    }
    job.done(cudaEventSynchronize(job.event.get()));
  }
}

}  // namespace s2sam
