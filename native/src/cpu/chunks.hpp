#pragma once

#include <algorithm>
#include <cstddef>

#include "cpu/stream.hpp"

namespace s2sam {

/// Elements of a plain tensor that one thread takes at a time. A multiple of 128 (the grain of the optimizer's arena),
/// small enough that five arrays of it stay in the second-level cache.
inline constexpr std::ptrdiff_t chunk_size = 16384;

inline constexpr std::ptrdiff_t chunk_count(std::ptrdiff_t count) { return (count + chunk_size - 1) / chunk_size; }

/// Calls body(chunk, begin, end) for the chunks of [0, count), whose bounds depend on `count` alone.
template <class Body>
void parallel_chunks(Context& context, std::ptrdiff_t count, const Body& body) {
  context.parallel(chunk_count(count), [&](std::ptrdiff_t chunk) {
    const std::ptrdiff_t begin = chunk * chunk_size;
    body(chunk, begin, std::min(begin + chunk_size, count));
  });
}

}  // namespace s2sam
