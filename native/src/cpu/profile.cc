#include "cpu/profile.hpp"

#include <utility>

namespace s2sam {

void Profile::begin() {
  const std::lock_guard lock(mutex_);
  spans_.clear();
  origin_ = now();
  running_ = true;
}

std::vector<backend::Span> Profile::end() {
  const std::lock_guard lock(mutex_);
  running_ = false;
  return std::exchange(spans_, {});
}

void Profile::add(const char* op, std::uint32_t label, Time begin, Time end, double flops, double bytes) {
  const std::lock_guard lock(mutex_);
  // A command that began before the profile did, or ended after it, is not in it.
  if (!running_ || begin < origin_) return;
  const auto seconds = [this](Time time) { return std::chrono::duration<double>(time - origin_).count(); };
  spans_.push_back({op, label, seconds(begin), seconds(end), flops, bytes});
}

}  // namespace s2sam
