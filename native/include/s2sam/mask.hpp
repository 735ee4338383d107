#pragma once

#include <cstdint>
#include <memory>

#include "s2sam/tensor.hpp"

namespace s2sam {

/// What a backend compiled from a mask (CPU: lists of offsets per layer geometry). Defined by the backend.
struct MaskPlans;

struct MaskPlansDeleter {
  void operator()(MaskPlans* plans) const;
};

/// Which weights of one parameter are alive: bit i (word i / 32, bit i % 32) belongs to element i of the row-major
/// parameter. Bits past `count` are 0. Written and read only by commands in stream order; every command that
/// changes bits also raises `version`, and plans of an older version are rebuilt at their next use.
struct Mask {
  Tensor bits;  ///< u32 [ceil(count / 32)]
  Shape shape;  ///< of the parameter
  std::int64_t count = 0;
  std::uint64_t version = 1;
  std::unique_ptr<MaskPlans, MaskPlansDeleter> plans;
};

}  // namespace s2sam
