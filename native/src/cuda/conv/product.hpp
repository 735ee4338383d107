#pragma once

#include <memory>
#include <vector>

#include "cuda/conv/engine.hpp"
#include "cuda/libraries/cublas.hpp"

namespace s2sam::conv {

/// Products by cuBLAS, where the problem is one.
std::vector<Candidate> product_candidates(const std::shared_ptr<const Cublas>& cublas, const Problem& problem);

}  // namespace s2sam::conv
