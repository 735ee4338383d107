#pragma once

#include <cstdint>

#include "s2sam/tensor.hpp"

namespace s2sam {

/// Text for a message, by its address in host memory: the device only carries it. A literal written in device code would lie in the
/// device's memory, so none can be made there.
class HostText {
 public:
  HostText(const char* literal) : text_(literal) {}
  const char* get() const { return text_; }

 private:
  const char* text_;
};

/// What a kernel found wrong with its data. One record per stream in device memory; the first fault since the last wait stays.
struct Fault {
  enum Kind : std::int32_t {
    none,
    index_out_of_range,  ///< what[position] is value, not in [0, limit)
    too_few_weights,     ///< value weights were asked for, but of those that `what` says `position` masks have only limit
  };

  Kind kind;
  HostText op, what;
  std::int64_t position, value, limit;
  Shape shape = {};  ///< too_few_weights: of the mask, where it is one
};

}  // namespace s2sam
