#pragma once

#include "cuda/stream/events.hpp"
#include "cuda/stream/stream.hpp"

namespace s2sam {

/// Milliseconds that the device is busy with what `enqueue` enqueues on the stream; waits for it.
template <class Enqueue>
float timed(Stream& stream, const char* op, const Enqueue& enqueue) {
  stream.make_current();
  const Event begin = make_timer(op), end = make_timer(op);
  stream.check(cudaEventRecord(begin.get(), stream.handle()), op, "cudaEventRecord");
  enqueue();
  stream.check(cudaEventRecord(end.get(), stream.handle()), op, "cudaEventRecord");
  stream.check(cudaEventSynchronize(end.get()), op, "cudaEventSynchronize");
  return milliseconds_between(begin, end, op);
}

}  // namespace s2sam
