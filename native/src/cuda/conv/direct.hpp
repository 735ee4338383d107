#pragma once

#include "cuda/conv/problem.hpp"
#include "cuda/stream/stream.hpp"

namespace s2sam::conv {

/// Whether run_direct can: pixels and weights are counted in 31 bits.
bool direct_takes(const Problem& problem);

/// Own kernels for every shape, stride, padding and number of channels: an implicit matrix product in tiles of shared
/// memory, with sums in f32. What is left where no library can, and the engine of tests without a GPU.
void run_direct(const Op& op, const Problem& problem, const Tensors& tensors);

}  // namespace s2sam::conv
