#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph_builder.hpp"

namespace s2sam::bench {

/// An engine that cuDNN names for a graph, and the plan it makes.
struct Engine {
  std::string name;                ///< "engine(setting=value,...)"
  bool fallback;                   ///< found in fallback mode, not in mode A
  bool compiles;                   ///< its kernel is compiled when the plan is made
  std::vector<std::string> notes;  ///< what cuDNN says of its arithmetic
  bool tried = false;
  std::optional<cudnn::Plan> plan;
  double seconds = 0;   ///< that making the plan took
  std::string refusal;  ///< cuDNN's words when it made none
};

struct Survey {
  std::vector<Engine> engines;
  /// Why engines that cuDNN considered do not take the graph, without repetition.
  std::vector<std::string> refusals;

  std::size_t plans() const;
};

/// Makes the plans of all engines with kernels that are there, and of the first `compile` others that compile. Engines of fallback
/// mode whose kernels would have to be compiled are tried only when mode A gave no plan.
Survey survey(const cudnn::Device& device, const Built& built, std::size_t compile);

}  // namespace s2sam::bench
