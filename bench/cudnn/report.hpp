#pragma once

#include <string>
#include <string_view>

#include "patterns.hpp"
#include "survey.hpp"

namespace s2sam::bench {

/// A string of JSON, with quotes.
std::string quoted(std::string_view text);

/// One line of JSON: what was asked and what cuDNN gave; `times` as "name: milliseconds" pairs of JSON, empty where nothing ran.
struct Case {
  const Pattern& pattern;
  const Layer& layer;
  std::string dtype, scales;
};
std::string line(const Case& one, const Built& built, const Survey& survey, const std::string& times);

}  // namespace s2sam::bench
