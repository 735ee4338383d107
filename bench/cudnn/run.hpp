#pragma once

#include <string>

#include "survey.hpp"

namespace s2sam::bench {

/// Throws where there is none; makes the first one current.
void require_gpu();

struct Timing {
  std::string times = "[]";  ///< a list of JSON: engines, and for each the milliseconds of one run, round by round
  std::string failure;       ///< what went wrong, if anything
};

/// Runs the first few plans on the current GPU, on random data, in turn, `rounds` times over.
Timing timed(const cudnn::Device& device, const Built& built, const Survey& survey, int rounds);

}  // namespace s2sam::bench
