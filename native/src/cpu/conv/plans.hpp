#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <vector>

#include "cpu/conv/blocking.hpp"
#include "cpu/conv/pass.hpp"
#include "cpu/layout.hpp"
#include "s2sam/mask.hpp"

namespace s2sam {

namespace conv {

/// The weights a pass keeps, as the lists its kernels walk: per block of input channels and per output channel.
struct Lists {
  int channels = 0, blocks = 0;
  std::vector<std::uint32_t> start;   ///< [blocks * channels + 1]
  std::vector<std::uint32_t> offset;  ///< of the input pixel, in floats
  std::vector<std::uint32_t> source;  ///< index of the weight
};

struct ListShape {
  Direction direction;
  Pass pass;
  std::int64_t row, plane;  ///< of the input the offsets point into, in floats
  int block_channels;       ///< input channels per block
};

enum class Use : std::uint8_t { forward, backward_data, backward_weight };

/// What a plan depends on beside the mask.
struct PlanKey {
  Use use;
  Isa isa;
  int stride_h, stride_w, pad_h, pad_w;
  std::int64_t out_h, out_w, row, plane;  ///< row and plane: of the input, in floats

  PlanKey(Use use, Isa isa, const ops::Conv2d& geometry, const ActivationLayout& in, std::int64_t out_h,
          std::int64_t out_w);
  auto operator<=>(const PlanKey&) const = default;
};

/// How one pass is computed: with all weights, or with the kept ones in lists.
struct PassPlan {
  bool dense;
  Tiling tiling;
  Lists lists;
};

/// One use of a mask.
using Plan = std::vector<PassPlan>;

}  // namespace conv

/// The plans of one mask, all of one version of it.
struct MaskPlans {
  std::uint64_t version = 0;
  std::int64_t kept = 0;
  std::map<conv::PlanKey, conv::Plan> plans;
};

namespace conv {

/// The plans of the mask as it is now: none, if its bits changed since they were made.
MaskPlans& current_plans(Mask& mask);

/// The fraction of weights kept; 1 without a mask.
double density(Mask* mask);

Lists make_lists(const Mask& mask, const ListShape& shape);

/// The plan under `key`, made by make() at its first use.
template <class Make>
const Plan& plan_for(Mask& mask, const PlanKey& key, const Make& make) {
  std::map<PlanKey, Plan>& plans = current_plans(mask).plans;
  const auto found = plans.find(key);
  return found != plans.end() ? found->second : plans.emplace(key, make()).first->second;
}

/// Calls body(i) for every kept weight, in increasing order.
template <class Body>
void for_each_kept(const Mask& mask, const Body& body) {
  const auto* words = mask.bits.as<const std::uint32_t>();
  for (std::int64_t word = 0; word < mask.bits.shape[0]; ++word) {
    for (std::uint32_t rest = words[word]; rest != 0; rest &= rest - 1) {
      body(static_cast<std::uint32_t>(word * 32 + __builtin_ctz(rest)));
    }
  }
}

}  // namespace conv
}  // namespace s2sam
