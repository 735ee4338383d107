#pragma once

#include "cpu/stream.hpp"
#include "s2sam/backend.hpp"

namespace s2sam {

/// Measures what the context's threads reach together: the best of several tries each.
backend::Peaks measure_peaks(Context& context);

}  // namespace s2sam
