#include "profile/choices.hpp"

namespace s2sam {

void Choices::note(backend::KernelChoice choice) {
  const std::lock_guard lock(mutex_);
  const auto [found, added] = place_.try_emplace({choice.op, choice.label}, choices_.size());
  if (added) {
    choices_.push_back(std::move(choice));
  } else {
    choices_[found->second] = std::move(choice);
  }
}

std::vector<backend::KernelChoice> Choices::all() const {
  const std::lock_guard lock(mutex_);
  return choices_;
}

}  // namespace s2sam
