#pragma once

#include <string>

#include "survey.hpp"

namespace s2sam::bench {

/// Runs the first few plans on the current GPU, on random data, in turn, `rounds` times over. A list of JSON: for each, its engine
/// and the milliseconds of one run, round by round.
std::string timed(const cudnn::Device& device, const Built& built, const Survey& survey, int rounds);

}  // namespace s2sam::bench
