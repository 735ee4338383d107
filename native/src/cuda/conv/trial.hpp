#pragma once

#include <optional>
#include <vector>

#include "cuda/choice/choice.hpp"
#include "cuda/conv/engine.hpp"

namespace s2sam::conv {

/// Runs engines on a stream and on tensors of its own, beside what the device does otherwise.
class Trial {
 public:
  Trial(int device, const Problem& problem) : problem_(problem), stream_(device) {}

  /// Whether the engine runs at all. Without the memory to try, it is believed.
  bool works(const Engine& engine);
  /// Nothing where there is not the memory to try. Throws Error where none works.
  std::optional<Race> fastest(const std::vector<Engine>& engines);
 private:
  /// False where there is not the memory.
  bool allocate();

  Problem problem_;
  Stream stream_;
  std::vector<backend::Memory> memory_;
  Tensors tensors_;
};

}  // namespace s2sam::conv
