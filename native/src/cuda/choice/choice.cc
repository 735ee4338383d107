#include "cuda/choice/choice.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace s2sam {

namespace {

constexpr const char* op = "choice";
constexpr int rounds = 5;
constexpr int rounds_of_slow = 3;
constexpr float slow = 0.5F;        // milliseconds
constexpr float short_time = 0.1F;  // works that take less are recorded several times, so that launching the step does not count
constexpr int repeats_of_short = 8;
constexpr float hopeless = 1.5F;  // times the best; not tried again

Event make_timer(const Stream& stream) {
  cudaEvent_t event = nullptr;
  stream.check(cudaEventCreate(&event), op, "cudaEventCreate");
  return Event(event);
}

/// Milliseconds that the device is busy with what `enqueue` enqueues.
template <class Enqueue>
float timed(Stream& stream, const Enqueue& enqueue) {
  const Event begin = make_timer(stream), end = make_timer(stream);
  stream.check(cudaEventRecord(begin.get(), stream.handle()), op, "cudaEventRecord");
  enqueue();
  stream.check(cudaEventRecord(end.get(), stream.handle()), op, "cudaEventRecord");
  stream.check(cudaEventSynchronize(end.get()), op, "cudaEventSynchronize");
  float milliseconds = 0;
  stream.check(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()), op, "cudaEventElapsedTime");
  return milliseconds;
}

/// A work that is recorded, and how long it took.
struct Entrant {
  std::size_t index;
  backend::Recording recording;
  int repeats;
  std::vector<float> times = {};

  float best() const { return *std::min_element(times.begin(), times.end()); }
  float median() const {
    std::vector<float> sorted = times;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

/// Leaves the stream usable after a work has thrown.
void recover(Stream& stream) {
  if (stream.capturing()) {
    try {
      stream.end_capture();
    } catch (const Error&) {  // the recording was broken by what threw
    }
  }
  cudaGetLastError();
}

std::optional<Entrant> prepare(Stream& stream, std::size_t index, const Work& work) {
  try {
    const auto run = [&] { stream.submit(op, work); };
    run();
    const int repeats = timed(stream, run) < short_time ? repeats_of_short : 1;
    stream.begin_capture();
    for (int i = 0; i < repeats; ++i) run();
    return Entrant{index, stream.end_capture(), repeats};
  } catch (const Error&) {
    recover(stream);
    return {};
  }
}

}  // namespace

bool works(Stream& stream, const Work& work) {
  try {
    stream.submit(op, work);
    stream.drain();
    return true;
  } catch (const Error&) {
    recover(stream);
    return false;
  }
}

std::optional<std::size_t> fastest(Stream& stream, const std::vector<Work>& works) {
  std::vector<Entrant> entrants;
  for (std::size_t i = 0; i < works.size(); ++i) {
    if (auto entrant = prepare(stream, i, works[i])) entrants.push_back(std::move(*entrant));
  }
  if (entrants.empty()) return {};
  float best = std::numeric_limits<float>::infinity();
  for (int round = 0; round < (best > slow ? rounds_of_slow : rounds); ++round) {
    for (Entrant& entrant : entrants) {
      const float time = timed(stream, [&] { stream.replay(entrant.recording); }) / static_cast<float>(entrant.repeats);
      entrant.times.push_back(time);
      best = std::min(best, time);
    }
    std::erase_if(entrants, [best](const Entrant& entrant) { return entrant.best() > hopeless * best; });
  }
  return std::min_element(entrants.begin(), entrants.end(),
                          [](const Entrant& a, const Entrant& b) { return a.median() < b.median(); })
      ->index;
}

}  // namespace s2sam
