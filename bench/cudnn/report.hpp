#pragma once

#include <string>
#include <string_view>

#include "patterns.hpp"
#include "run.hpp"

namespace s2sam::bench {

/// A string of JSON, with quotes.
std::string quoted(std::string_view text);

struct Case {
  const Pattern& pattern;
  const Layer& layer;
  std::string dtype, scales;
};
/// One line of JSON: what was asked, what cuDNN gave, and what was timed.
std::string line(const Case& one, const Built& built, const Survey& survey, const Timing& timing);

}  // namespace s2sam::bench
