#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cuda/stream/events.hpp"
#include "s2sam/backend.hpp"
#include "s2sam/work.hpp"

namespace s2sam {

/// One op between two marks that the GPU sets as it passes them.
struct TimedOp {
  const char* op;
  std::uint32_t label;
  Event begin, end;
  Work work;
};
using TimedOps = std::vector<TimedOp>;

/// What a stream's ops did and when, while somebody wants to know. Marks of a step that is recorded are recorded with it, and show the
/// times of its last launch.
class Profile {
 public:
  void label(std::uint32_t number) { label_ = number; }
  std::uint32_t label() const { return label_; }
  bool running() const { return origin_ != nullptr; }

  /// Forgets what was timed so far.
  void begin(cudaStream_t stream);
  /// The ops whose end the GPU has passed.
  std::vector<backend::Span> end();

  /// Marks where an op's work begins; nothing while no profile is taken.
  std::optional<TimedOp> start(const char* op, cudaStream_t stream, bool capturing) const;
  /// Marks its end, and keeps it: for the step that is recorded, or as run.
  void finish(TimedOp timed, Work work, cudaStream_t stream, bool capturing);
  /// The ops of the step that has just been recorded.
  TimedOps take_recorded();
  /// Reads the marks of a recorded step, which the GPU has passed.
  void add(const TimedOps& ops);

 private:
  backend::Span span(const TimedOp& timed) const;

  std::uint32_t label_ = 0;
  Event origin_;
  TimedOps run_, recorded_;
  std::vector<backend::Span> spans_;
};

}  // namespace s2sam
