#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "s2sam/backend.hpp"

namespace s2sam {

/// What the stream's commands chose, for whoever wants to tell a user. Written by the thread that runs commands, read by
/// any.
class Choices {
 public:
  void note(backend::KernelChoice choice);
  std::vector<backend::KernelChoice> all() const;

 private:
  mutable std::mutex mutex_;
  std::vector<backend::KernelChoice> choices_;
  std::map<std::pair<std::string, std::uint32_t>, std::size_t> place_;  ///< of (op, label) in choices_
};

}  // namespace s2sam
