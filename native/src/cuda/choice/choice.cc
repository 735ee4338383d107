#include "cuda/choice/choice.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "cuda/stream/timed.hpp"

namespace s2sam {

namespace {

constexpr const char* op = "choice";
constexpr int rounds = 5;
constexpr int rounds_of_slow = 3;
constexpr float slow = 0.5F;        // milliseconds
constexpr float short_time = 0.1F;  // ways that take less are recorded several times, so that launching the step does not count
constexpr int repeats_of_short = 8;
constexpr float hopeless = 1.5F;  // times the best; not tried again

/// A way that is recorded, and how long it took.
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

/// Leaves the stream usable after a way has thrown.
void recover(Stream& stream) {
  if (stream.capturing()) stream.abort_capture();
  cudaGetLastError();
}

Entrant prepare(Stream& stream, std::size_t index, const Way& way) {
  const auto run = [&] { stream.submit(op, way); };
  run();
  const int repeats = timed(stream, op, run) < short_time ? repeats_of_short : 1;
  stream.begin_capture();
  for (int i = 0; i < repeats; ++i) run();
  return {index, stream.end_capture(), repeats};
}

/// Those that work; of the others, why not.
std::vector<Entrant> prepare_all(Stream& stream, const std::vector<Way>& ways, Race& race) {
  std::vector<Entrant> entrants;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    try {
      entrants.push_back(prepare(stream, i, ways[i]));
    } catch (const Error& error) {
      recover(stream);
      race.refusals[i] = error.what();
      race.starved |= error.code() == Code::out_of_memory;
      if (entrants.empty() && i + 1 == ways.size()) throw;
    }
  }
  return entrants;
}

}  // namespace

bool works(Stream& stream, const Way& way) {
  try {
    stream.submit(op, way);
    stream.check(cudaStreamSynchronize(stream.handle()), op, "cudaStreamSynchronize");
    return true;
  } catch (const Error&) {
    recover(stream);
    return false;
  }
}

Race fastest(Stream& stream, const std::vector<Way>& ways) {
  constexpr float never = std::numeric_limits<float>::infinity();
  Race race{0, std::vector<float>(ways.size(), never), std::vector<std::string>(ways.size())};
  std::vector<Entrant> entrants = prepare_all(stream, ways, race);
  float best = never;
  for (int round = 0; round < (best > slow ? rounds_of_slow : rounds); ++round) {
    for (Entrant& entrant : entrants) {
      const float time = timed(stream, op, [&] { stream.replay(entrant.recording); }) / static_cast<float>(entrant.repeats);
      entrant.times.push_back(time);
      race.milliseconds[entrant.index] = entrant.median();
      best = std::min(best, time);
    }
    std::erase_if(entrants, [best](const Entrant& entrant) { return entrant.best() > hopeless * best; });
  }
  race.winner = std::min_element(entrants.begin(), entrants.end(), [](const Entrant& a, const Entrant& b) {
                  return a.median() < b.median();
                })->index;
  return race;
}

}  // namespace s2sam
