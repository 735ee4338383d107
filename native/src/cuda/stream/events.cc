#include "cuda/stream/events.hpp"

#include "cuda/check.hpp"

namespace s2sam {

Event make_event(const char* op) {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventBlockingSync | cudaEventDisableTiming), op, "cudaEventCreateWithFlags");
  return Event(event);
}

Event make_timer(const char* op) {
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), op, "cudaEventCreate");
  return Event(event);
}

float milliseconds_between(const Event& from, const Event& to, const char* op) {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, from.get(), to.get()), op, "cudaEventElapsedTime");
  return milliseconds;
}

}  // namespace s2sam
