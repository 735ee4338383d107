#include "cuda/stream/profile.hpp"

#include <algorithm>
#include <utility>

#include "cuda/check.hpp"

namespace s2sam {

namespace {

/// Beside a capture the mark becomes part of what is recorded.
void set(const Event& mark, const char* op, cudaStream_t stream, bool capturing) {
  const unsigned how = capturing ? cudaEventRecordExternal : cudaEventRecordDefault;
  check(cudaEventRecordWithFlags(mark.get(), stream, how), op, "cudaEventRecordWithFlags");
}

}  // namespace

void Profile::begin(cudaStream_t stream) {
  constexpr const char* op = "beginProfile";
  run_.clear();
  spans_.clear();
  origin_ = make_timer(op);
  set(origin_, op, stream, false);
}

std::vector<backend::Span> Profile::end() {
  if (!running()) return {};
  add(std::exchange(run_, {}));
  origin_.reset();
  auto spans = std::exchange(spans_, {});
  std::stable_sort(spans.begin(), spans.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  return spans;
}

std::optional<TimedOp> Profile::start(const char* op, cudaStream_t stream, bool capturing) const {
  if (!running()) return {};
  TimedOp timed{op, label_, make_timer(op), make_timer(op), {}};
  set(timed.begin, op, stream, capturing);
  return timed;
}

void Profile::finish(TimedOp timed, Work work, cudaStream_t stream, bool capturing) {
  timed.work = work;
  set(timed.end, timed.op, stream, capturing);
  (capturing ? recorded_ : run_).push_back(std::move(timed));
}

TimedOps Profile::take_recorded() { return std::exchange(recorded_, {}); }

void Profile::add(const TimedOps& ops) {
  for (const TimedOp& timed : ops) {
    if (cudaEventQuery(timed.end.get()) == cudaSuccess) {
      spans_.push_back(span(timed));
    } else {
      cudaGetLastError();  // "not ready" would be taken for an error of the next launch
    }
  }
}

backend::Span Profile::span(const TimedOp& timed) const {
  const double begin = milliseconds_between(origin_, timed.begin, timed.op) / 1e3;
  const double took = milliseconds_between(timed.begin, timed.end, timed.op) / 1e3;
  return {timed.op, timed.label, begin, begin + took, timed.work.flops, timed.work.bytes};
}

}  // namespace s2sam
