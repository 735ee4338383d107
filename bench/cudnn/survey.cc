#include "survey.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

namespace s2sam::bench {

namespace {

std::vector<std::string> notes_of(const cudnn::EngineConfig& config) {
  const std::pair<cudnnBackendNumericalNote_t, const char*> names[] = {
      {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, "nondeterministic"},
      {CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION, "reduced-precision sums"},
      {CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS, "down-converted inputs"},
      {CUDNN_NUMERICAL_NOTE_WINOGRAD, "Winograd"},
      {CUDNN_NUMERICAL_NOTE_FFT, "FFT"}};
  std::vector<std::string> result;
  for (const auto& [note, name] : names) {
    if (config.has(note)) result.emplace_back(name);
  }
  return result;
}

bool compiles(const cudnn::EngineConfig& config) {
  const auto engines = config.config.parts(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
  const auto notes = engines.at(0).list<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE);
  return std::find(notes.begin(), notes.end(), CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) != notes.end();
}

/// Takes cuDNN's words about what went wrong since it was last asked.
std::string taken_words(const cudnn::Api& api) {
  std::string words(std::size_t{1} << 16, '\0');
  api.last_error_string(words.data(), words.size());
  words.resize(words.find('\0'));
  return words;
}

/// The text between the first `begin` at or after `from` and the next line break.
std::string after(const std::string& text, const std::string& begin, std::size_t from) {
  const std::size_t start = text.find(begin, from);
  if (start == std::string::npos) return "";
  return text.substr(start + begin.size(), text.find('\n', start) - start - begin.size());
}

/// Of each engine that was refused the first reason, which is the innermost: "engine 2: ...".
void add_reasons(const std::string& words, std::vector<std::string>& into) {
  const std::string mark = "{\"engineId\":";
  for (std::size_t at = words.find(mark); at != std::string::npos; at = words.find(mark, at + 1)) {
    const std::string number = after(words, mark, at);
    const std::string reason = "engine " + number.substr(0, number.find(',')) + ": " + after(words, "Reason: ", at);
    if (std::find(into.begin(), into.end(), reason) == into.end()) into.push_back(reason);
  }
}

void make_plan(const cudnn::Device& device, cudnn::EngineConfig config, Engine& engine) {
  const auto begin = std::chrono::steady_clock::now();
  engine.tried = true;
  try {
    engine.plan.emplace(device, std::make_shared<const cudnn::EngineConfig>(std::move(config)));
  } catch (const std::exception& error) {
    engine.refusal = error.what();
  }
  engine.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The engines of one mode, and the plans of those that may be tried.
void add(const cudnn::Device& device, const Built& built, bool fallback, std::size_t compile, Survey& into) {
  const auto mode = fallback ? CUDNN_HEUR_MODE_FALLBACK : CUDNN_HEUR_MODE_A;
  std::size_t failures = 3;  // that are put up with, since each takes as long as a success
  taken_words(device.api());
  std::vector<cudnn::EngineConfig> found = cudnn::recommended(device, built.graph, mode);
  add_reasons(taken_words(device.api()), into.refusals);
  for (cudnn::EngineConfig& config : found) {
    Engine engine{config.name, fallback, compiles(config), notes_of(config), false, {}, 0, {}};
    if (!engine.compiles || (compile > 0 && failures > 0)) {
      make_plan(device, std::move(config), engine);
      if (engine.compiles) --(engine.plan ? compile : failures);
    }
    into.engines.push_back(std::move(engine));
  }
}

}  // namespace

std::size_t Survey::plans() const {
  return static_cast<std::size_t>(std::count_if(engines.begin(), engines.end(), [](const Engine& one) { return one.plan.has_value(); }));
}

Survey survey(const cudnn::Device& device, const Built& built, std::size_t compile) {
  Survey result;
  add(device, built, false, compile, result);
  add(device, built, true, result.plans() > 0 ? 0 : compile, result);
  return result;
}

}  // namespace s2sam::bench
