#include "images/pool.hpp"

#include <utility>

namespace s2sam::images {

Pool::Pool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Pool::~Pool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Pool::add(Job job) {
  const std::size_t count = job.count;
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::make_shared<Running>(Running{std::move(job), 0, count}));
  }
  wake_.notify_all();
}

void Pool::work() {
  Scratch scratch;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    const std::shared_ptr<Running> running = jobs_.front();
    const std::size_t image = running->next++;
    if (running->next == running->job.count) jobs_.pop_front();
    lock.unlock();
    running->job.each(image, scratch);
    lock.lock();
    if (--running->left > 0) continue;
    lock.unlock();
    running->job.done();
    lock.lock();
  }
}

}  // namespace s2sam::images
