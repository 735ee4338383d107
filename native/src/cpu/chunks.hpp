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

/// Calls body(i) for i in [0, count), items of `size` elements each: small ones in groups, so that waking a thread and
/// handing out work stay cheap beside the work itself, and little work stays on one thread.
template <class Body>
void parallel_items(Context& context, std::ptrdiff_t count, std::ptrdiff_t size, const Body& body) {
  const std::ptrdiff_t group = std::max<std::ptrdiff_t>(1, chunk_size / std::max<std::ptrdiff_t>(1, size));
  context.parallel((count + group - 1) / group, [&](std::ptrdiff_t g) {
    const std::ptrdiff_t end = std::min((g + 1) * group, count);
    for (std::ptrdiff_t i = g * group; i < end; ++i) body(i);
  });
}

}  // namespace s2sam
