#include "cuda/conv/engines.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "cuda/choice/choice.hpp"
#include "cuda/conv/cudnn_engine.hpp"
#include "cuda/conv/direct.hpp"
#include "cuda/conv/product.hpp"
#include "cuda/conv/trial.hpp"
#include "cuda/sparse/sparse.hpp"

namespace s2sam::conv {

namespace {

constexpr const char* direct = "direct";
constexpr const char* sparse_kind = "sparse";
constexpr const char* dense_kind = "dense";

std::string pinned_kind() {
  const char* text = std::getenv("S2SAM_CUDA_CONV");
  const std::string kind = text != nullptr ? text : "";
  for (const char* known : {"", direct, "gemm", "cudnn", sparse_kind}) {
    if (kind == known) return kind;
  }
  throw Error(Code::argument, "conv2d", "S2SAM_CUDA_CONV is \"" + kind + "\", but must be direct, gemm, cudnn, sparse or empty");
}

/// Null where there is none that works.
std::shared_ptr<const cudnn::Device> open_cudnn() {
  const cudnn::Api* api = cudnn::Api::find();
  if (api == nullptr) return nullptr;
  try {
    return std::make_shared<const cudnn::Device>(*api);
  } catch (const Error&) {
    return nullptr;
  }
}

ChoiceCache cache_for(const Stream& stream) {
  cudaDeviceProp properties;
  stream.check(cudaGetDeviceProperties(&properties, stream.limits().index), "conv2d", "cudaGetDeviceProperties");
  const cudnn::Api* api = cudnn::Api::find();
  return {"convolutions", std::string(properties.name) + "-cudnn" + (api != nullptr ? std::to_string(api->version()) : "none")};
}

/// By name, without those that do not work.
std::vector<std::pair<std::string, double>> times_of(const std::vector<std::string>& names, const Race& race) {
  std::vector<std::pair<std::string, double>> result;
  for (std::size_t i = 0; i < race.milliseconds.size(); ++i) {
    if (std::isfinite(race.milliseconds[i])) result.emplace_back(names[i], static_cast<double>(race.milliseconds[i]));
  }
  return result;
}

Engine sparse_engine(const Problem& problem, const ops::MaskRef& mask) {
  return [problem, mask](const Op& op, const Tensors& tensors) { sparse::run(op, problem, tensors, mask); };
}

/// What is to be recorded has run before.
bool ready(const Op& op, const Problem& problem, const ops::MaskRef& mask) {
  if (!op.stream().capturing() || sparse::ran(problem, *mask)) return true;
  const BesideCapture beside;
  op.stream().drain();
  return Trial(op.limits().index, problem).works(sparse_engine(problem, mask)) && sparse::ran(problem, *mask);
}

}  // namespace

Engines::Engines(Stream& stream) : pinned_(pinned_kind()) {
  const BesideCapture beside;
  cublas_ = Cublas::open();
  cudnn_ = open_cudnn();
  if (pinned_.empty()) cache_ = cache_for(stream);
}

/// Best guess first: it is taken where nothing can be timed.
std::vector<Candidate> Engines::candidates(const Problem& problem) const {
  std::vector<Candidate> result;
  const auto add = [&](const std::string& kind, std::vector<Candidate> of_kind) {
    if (!pinned_.empty() && pinned_ != kind && pinned_ != sparse_kind) return;
    for (Candidate& candidate : of_kind) result.push_back(std::move(candidate));
  };
  add("gemm", product_candidates(cublas_, problem));
  if (problem.pixels_in() > problem.n) add("cudnn", cudnn_candidates(cudnn_, problem));  // matrices are left to cuBLAS
  if (direct_takes(problem)) {
    result.push_back({direct, [problem]() -> Engine {
                        return [problem](const Op& op, const Tensors& tensors) { run_direct(op, problem, tensors); };
                      }});
  }
  return result;
}

/// As remembered, where it still works.
std::optional<Engines::Chosen> Engines::remembered(const std::vector<Candidate>& all, const std::string& question, Trial& trial) const {
  const std::optional<std::string> known = cache_ ? cache_->find(question) : std::nullopt;
  const auto found = std::find_if(all.begin(), all.end(), [&](const Candidate& candidate) { return candidate.name == known; });
  if (found == all.end()) return {};
  try {
    Engine engine = found->make();
    if (trial.works(engine)) return Chosen{std::move(engine), found->name, {}, {}};
  } catch (const Error&) {  // of another build of the library
  }
  return {};
}

/// Throws Error where none works.
std::optional<Race> Engines::race(const Op& op, const std::string& question, const std::vector<Engine>& engines, Trial& trial) {
  constexpr const char* remedy = "; use smaller images or a smaller batch";
  if (engines.empty()) throw Error(Code::internal, op.name(), "no engine computes " + question + remedy);
  try {
    return trial.fastest(engines);
  } catch (const Error& error) {
    throw Error(error.code(), op.name(), "no engine computes " + question + " (the last said: " + error.what() + ")" + remedy);
  }
}

Engines::Chosen Engines::choose(const Op& op, const Problem& problem) const {
  std::vector<Candidate> all = candidates(problem);
  if (all.size() == 1 && all[0].name == direct) return {all[0].make(), direct, {}, {}};  // ready as it is
  const std::string question = problem.name();
  op.stream().drain();  // what is timed has the device for itself
  Trial trial(op.limits().index, problem);
  if (auto known = remembered(all, question, trial)) return std::move(*known);

  std::vector<std::string> names;
  std::vector<Engine> engines;
  Refusals refused;
  for (const Candidate& candidate : all) {
    try {
      engines.push_back(candidate.make());
      names.push_back(candidate.name);
    } catch (const Error& error) {
      refused.emplace_back(candidate.name, error.what());
    }
  }
  const std::optional<Race> timed = race(op, question, engines, trial);
  if (!timed) return {std::move(engines[0]), names[0], {}, std::move(refused)};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!timed->refusals[i].empty()) refused.emplace_back(names[i], timed->refusals[i]);
  }
  // A library that fails now may be repaired later.
  const bool lasts = !timed->starved && (refused.empty() || names[timed->winner] != direct);
  if (cache_ && lasts) cache_->keep(question, names[timed->winner]);
  return {std::move(engines[timed->winner]), names[timed->winner], times_of(names, *timed), std::move(refused)};
}

const Engines::Chosen& Engines::of(const Op& op, const Problem& problem) {
  const auto found = chosen_.find(problem);
  if (found != chosen_.end()) return found->second;
  const BesideCapture beside;
  return chosen_.emplace(problem, choose(op, problem)).first->second;
}

/// Whether skipping masked weights takes less time than the dense engine.
const Engines::Skip& Engines::skip(const Op& op, const Problem& problem, const ops::MaskRef& mask) {
  const std::string question = problem.name() + "-kept" + std::to_string(sparse::half_percent_kept(*mask));
  if (const auto found = skips_.find(question); found != skips_.end()) return found->second;
  const BesideCapture beside;
  const std::optional<std::string> known = cache_->find(question);
  if (known == sparse_kind || known == dense_kind) return skips_.emplace(question, Skip{known == sparse_kind, {}}).first->second;
  const Chosen& dense = of(op, problem);
  op.stream().drain();
  const std::optional<Race> race = Trial(op.limits().index, problem).fastest({dense.engine, sparse_engine(problem, mask)});
  const bool faster = race && race->winner == 1;
  if (race && !race->starved) cache_->keep(question, faster ? sparse_kind : dense_kind);
  return skips_.emplace(question, Skip{faster, race ? times_of({dense.name, sparse_kind}, *race) : Times{}}).first->second;
}

const Engines::Skip* Engines::skips_masked(const Op& op, const Problem& problem, const Tensors& tensors,
                                           const ops::MaskRef& mask) {
  static const Skip always{true, {}};
  const bool considered = pinned_.empty() || pinned_ == sparse_kind;
  if (!considered || !sparse::usable(op, problem, tensors, mask)) return nullptr;
  const Skip& found = pinned_.empty() ? skip(op, problem, mask) : always;
  return found.faster && ready(op, problem, mask) ? &found : nullptr;
}

void Engines::run(const Op& op, const Problem& problem, const Tensors& tensors, const ops::MaskRef& mask) {
  const std::uint32_t label = op.stream().profile().label();
  const double weights = static_cast<double>(problem.o * problem.c * problem.taps());
  double density = 1;
  if (const Skip* skip = skips_masked(op, problem, tensors, mask)) {
    density = sparse::half_percent_kept(*mask) / 200.0;
    sparse::run(op, problem, tensors, mask);
    op.stream().choices().note({op.name(), label, density, sparse_kind, skip->timed, {}});
  } else {
    const Chosen& chosen = of(op, problem);
    chosen.engine(op, tensors);
    op.stream().choices().note({op.name(), label, density, chosen.name, chosen.timed, chosen.refused});
  }
  op.count({2 * density * weights * static_cast<double>(problem.pixels_out()), bytes_of(tensors.x, tensors.w, tensors.y)});
}

void run(const Op& op, const Problem& problem, const Tensors& tensors, const ops::MaskRef& mask) {
  op.stream().part<Engines>().run(op, problem, tensors, mask);
}

}  // namespace s2sam::conv
