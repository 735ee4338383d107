#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "cuda/stream/stream.hpp"

namespace s2sam {

/// Enqueues one of several ways to do the same. May throw Error where that way is not possible after all.
using Way = std::function<void(const Op&)>;

/// Runs it on the stream and waits; false where it throws.
bool works(Stream& stream, const Way& way);

struct Race {
  std::size_t winner = 0;
  std::vector<float> milliseconds;   ///< of every way, infinite where it does not work
  std::vector<std::string> refusals;  ///< why each does not, empty where it does
  bool starved = false;               ///< one was refused for want of memory, so that another time may end otherwise
};

/// Finds the way that takes the least time in a recorded step, the first among equals. Throws the last refusal where none works. Each is
/// run before it is timed, and they take turns, so that a change of the GPU's clock meets all of them. `stream` should
/// have nothing else to do; blocks until it is known. Other streams of this thread may be recording if a BesideCapture
/// lives.
Race fastest(Stream& stream, const std::vector<Way>& ways);

}  // namespace s2sam
