#pragma once

#include <memory>
#include <vector>

#include "cuda/conv/engine.hpp"
#include "cuda/libraries/cudnn.hpp"

namespace s2sam::conv {

/// Engines of cuDNN that are exact enough, best guess first. 16-bit images with a number of channels that tensor cores
/// do not like get more channels on the way. Empty where `device` is null or cuDNN has no such convolution.
std::vector<Candidate> cudnn_candidates(const std::shared_ptr<const cudnn::Device>& device, const Problem& problem);

}  // namespace s2sam::conv
