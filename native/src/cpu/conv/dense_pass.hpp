#pragma once

#include "cpu/conv/call.hpp"

/// The way that multiplies by every weight, zeros too.
namespace s2sam::conv {

/// The weights of a pass in the order the kernel reads them, in scratch memory.
DenseRows pack(const Call& call, const Pass& pass);

Grid dense_grid(const Call& call, const Pass& pass);

void run_dense(const Call& call, const Pass& pass, const Grid& grid, const DenseRows& rows);

}  // namespace s2sam::conv
