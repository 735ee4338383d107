#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cuda/choice/cache.hpp"
#include "cuda/conv/engine.hpp"
#include "cuda/conv/trial.hpp"
#include "cuda/libraries/cublas.hpp"
#include "cuda/libraries/cudnn.hpp"

namespace s2sam::conv {

/// The engines of a stream's convolutions. For each problem the fastest is chosen once, by timing, and remembered on
/// disk for this GPU and these libraries; for a masked product also whether to skip its masked weights, for each
/// density. S2SAM_CUDA_CONV=direct, gemm, cudnn or sparse admits that kind alone (and where it has no engine `direct`,
/// or for `sparse` the fastest dense one), and then nothing is remembered on disk.
class Engines {
 public:
  explicit Engines(Stream& stream);

  /// Computes the pass with the fastest engine for the problem, and notes which.
  void run(const Op& op, const Problem& problem, const Tensors& tensors, const ops::MaskRef& mask);

 private:
  using Times = std::vector<std::pair<std::string, double>>;  ///< names and milliseconds
  using Refusals = std::vector<std::pair<std::string, std::string>>;  ///< names and why
  /// What computes a problem with all weights.
  struct Chosen {
    Engine engine;
    std::string name;
    Times timed;
    Refusals refused;
  };
  /// Whether masked weights are skipped instead.
  struct Skip {
    bool faster;
    Times timed;
  };

  /// Ready to run, also in a recorded step.
  const Chosen& of(const Op& op, const Problem& problem);
  /// Null where the dense engine computes.
  const Skip* skips_masked(const Op& op, const Problem& problem, const Tensors& tensors, const ops::MaskRef& mask);
  std::vector<Candidate> candidates(const Problem& problem) const;
  std::optional<Chosen> remembered(const std::vector<Candidate>& all, const std::string& question, Trial& trial) const;
  static std::optional<Race> race(const Op& op, const std::string& question, const std::vector<Engine>& engines, Trial& trial);
  Chosen choose(const Op& op, const Problem& problem) const;
  const Skip& skip(const Op& op, const Problem& problem, const ops::MaskRef& mask);

  std::string pinned_;
  std::shared_ptr<const Cublas> cublas_;
  std::shared_ptr<const cudnn::Device> cudnn_;
  std::optional<ChoiceCache> cache_;
  std::map<Problem, Chosen> chosen_;
  std::map<std::string, Skip> skips_;
};

/// Computes the pass with the fastest engine for the problem. The mask says which weights are known to be zero; null:
/// none.
void run(const Op& op, const Problem& problem, const Tensors& tensors, const ops::MaskRef& mask);

}  // namespace s2sam::conv
