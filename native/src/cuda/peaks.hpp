#pragma once

#include "cuda/stream/stream.hpp"
#include "s2sam/backend.hpp"

namespace s2sam {

/// Measured now: the best of some rounds of a large copy within the device's memory and of large products by cuBLAS, of random
/// numbers. Waits for the device. Throws Error{device} where there is no cuBLAS.
backend::Peaks measure_peaks(Stream& stream);

}  // namespace s2sam
