#pragma once

#include <functional>
#include <string>

#include "cuda/conv/problem.hpp"
#include "cuda/stream/stream.hpp"

namespace s2sam::conv {

/// One way to compute a problem. Throws Error where it turns out that it cannot.
using Engine = std::function<void(const Op&, const Tensors&)>;

struct Candidate {
  /// "kind" or "kind:details", the same in every process.
  std::string name;
  /// Makes it ready. Throws Error where it cannot.
  std::function<Engine()> make;
};

}  // namespace s2sam::conv
