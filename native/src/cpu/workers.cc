#include "cpu/workers.hpp"

#include <utility>

namespace s2sam {

namespace {

/// Looks before going to sleep: some ten microseconds, as long as the pause between two loops of one step.
constexpr int spins = 2000;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits until done(value) holds; returns that value.
template <class T, class Done>
T wait_until(const std::atomic<T>& variable, const Done& done) {
  for (;;) {
    T value = variable.load();
    for (int i = 0; i < spins && !done(value); ++i) {
      relax();
      value = variable.load();
    }
    if (done(value)) return value;
    variable.wait(value);
  }
}

}  // namespace

Workers::Workers(int threads) {
  for (int i = 1; i < threads; ++i) helpers_.emplace_back([this] { help(); });
}

Workers::~Workers() {
  stopping_ = true;
  epoch_ += 2;  // a change that opens nothing
  epoch_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void Workers::loop(std::ptrdiff_t count, Call call, const void* data) {
  if (helpers_.empty() || count <= 1) {
    for (std::ptrdiff_t i = 0; i < count; ++i) call(data, i);
    return;
  }
  count_ = count;
  call_ = call;
  data_ = data;
  next_ = 0;
  ++epoch_;
  epoch_.notify_all();
  work();
  ++epoch_;
  wait_until(inside_, [](int inside) { return inside == 0; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Workers::help() {
  std::uint32_t seen = 0;
  for (;;) {
    seen = wait_until(epoch_, [seen](std::uint32_t epoch) { return epoch != seen; });
    if (stopping_) return;
    if (seen % 2 == 0) continue;
    ++inside_;
    if (epoch_.load() % 2 == 1) work();
    if (--inside_ == 0) inside_.notify_one();
  }
}

void Workers::work() {
  for (std::ptrdiff_t i = next_++; i < count_; i = next_++) {
    try {
      call_(data_, i);
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
}

}  // namespace s2sam
