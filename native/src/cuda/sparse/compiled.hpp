#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "cuda/conv/problem.hpp"
#include "cuda/libraries/cusparse.hpp"
#include "cuda/sparse/pattern.hpp"

namespace s2sam::sparse {

/// cuSPARSE's form of one use of a pattern.
struct Plan {
  /// Its values are set anew before each use; null where cuSPARSE does not take the problem.
  cusparse::SparseMatrix matrix;
  std::unique_ptr<KeptBlock> buffer;  ///< what cuSPARSE found out about the pattern
  bool ran = false;                   ///< its kernels are on the device, so that it can be recorded
};

/// What the sparse engine knows of the bits that a mask had at `version`.
struct Compiled {
  std::uint64_t version;
  std::optional<Pattern> rows, transposed;
  std::map<conv::Problem, Plan> plans;
};

}  // namespace s2sam::sparse
