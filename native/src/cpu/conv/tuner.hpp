#pragma once

#include <compare>
#include <map>
#include <vector>

#include "cpu/conv/call.hpp"
#include "cpu/conv/plans.hpp"

/// The choice between ways that compute the same numbers, by timing them once. Every way adds the products of an output
/// in the same order (by input channel, row and column of the kernel), so the choice never shows in a result.
namespace s2sam::conv {

/// Above this density nobody makes lists.
inline constexpr double sparse_below = 0.9;
/// Below this one the dense kernel is not tried.
inline constexpr double dense_tried_above = 0.2;

/// What layers share a choice: the same problem at about the same density.
struct TuningKey {
  PlanKey problem;
  int pass;
  std::int64_t inputs, outputs;
  int density_step;  ///< a quarter of a doubling

  auto operator<=>(const TuningKey&) const = default;
};

struct Tuned {
  bool dense;
  Tiling tiling;
};

/// What was timed so far on one device.
using Tunings = std::map<TuningKey, std::pair<Tuned, backend::KernelChoice>>;

/// How to compute every pass of a call whose weights are masked. S2SAM_CPU_CONV=sparse or dense admits that way alone; throws
/// Error{argument} for other words.
Plan make_plan(const Call& call, Mask& mask, const std::vector<Pass>& passes, const PlanKey& key);

/// Whether S2SAM_CPU_CONV admits one way alone.
bool pinned();

/// Notes, for whoever asks, that no timing was needed.
void note_rule(Context& context, double density, const char* kernel);

}  // namespace s2sam::conv
