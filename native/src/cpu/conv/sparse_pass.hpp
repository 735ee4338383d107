#pragma once

#include "cpu/conv/call.hpp"
#include "cpu/conv/plans.hpp"

/// The way that walks lists of kept weights.
namespace s2sam::conv {

/// The entries of `lists` with the values of this call's weights, in scratch memory.
SparseRows fill_entries(const Call& call, const Lists& lists);

void run_sparse(const Call& call, const Pass& pass, const Grid& grid, const SparseRows& rows);

}  // namespace s2sam::conv
