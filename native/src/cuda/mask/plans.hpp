#pragma once

#include <memory>

#include "cuda/stream/stream.hpp"
#include "s2sam/mask.hpp"
#include "s2sam/ops.hpp"

namespace s2sam {

namespace sparse {
struct Compiled;
}

/// What the CUDA backend keeps of a mask beside its bits.
struct MaskPlans {
  /// A recorded step edits the bits whenever it is replayed, and the host does not know: nothing may be compiled from
  /// them.
  bool edited_by_recording = false;
  /// For sparse products; of the bits of some version, or null.
  std::shared_ptr<sparse::Compiled> compiled;
};

/// The mask's plans, made at their first use.
MaskPlans& plans_of(Mask& mask);

/// For every op that edits bits, when it is enqueued.
void bits_change(const Op& op, Mask& mask);

}  // namespace s2sam
