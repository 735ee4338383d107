#pragma once

#include <cstdint>
#include <cstring>

#include "s2sam/random.hpp"

/// The bits of a mask and the order in which weights are chosen, the same for every backend.
namespace s2sam {

S2SAM_HOST_DEVICE inline std::int64_t mask_words(std::int64_t count) { return (count + 31) / 32; }

S2SAM_HOST_DEVICE inline bool is_kept(const std::uint32_t* bits, std::int64_t i) {
  return ((bits[i / 32] >> (i % 32)) & 1u) != 0;
}

/// The bits of word `word` that belong to elements: all but in the last word.
S2SAM_HOST_DEVICE inline std::uint32_t valid_bits(std::int64_t word, std::int64_t count) {
  const std::int64_t rest = count - word * 32;
  return rest >= 32 ? 0xFFFFFFFFu : (std::uint32_t{1} << rest) - 1u;
}

/// A number that grows with the score: NaN is 0, less than minus infinity's, and both zeros are equal.
S2SAM_HOST_DEVICE inline std::uint32_t score_rank(float score) {
  if (score != score) return 0;
  const float value = score + 0.0F;  // -0 becomes +0
  std::uint32_t pattern;
  memcpy(&pattern, &value, sizeof pattern);
  return (pattern & 0x80000000u) ? ~pattern : pattern | 0x80000000u;
}

/// Element i's lot in a random draw: words 0 (high half) and 1 of Philox(key)(i, 0, 0, 0). The smallest are drawn.
S2SAM_HOST_DEVICE inline std::uint64_t random_lot(const Philox& philox, std::uint32_t i) {
  const Philox::Words words = philox(i, 0, 0, 0);
  return (std::uint64_t{words.word[0]} << 32) | words.word[1];
}

/// 64-bit FNV-1a (Fowler, Noll, Vo), byte by byte.
struct Fnv1a {
  static constexpr std::uint64_t prime = 0x100000001B3ull;

  std::uint64_t hash = 0xCBF29CE484222325ull;

  /// The word's bytes, least significant first.
  S2SAM_HOST_DEVICE void add(std::uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) hash = (hash ^ ((word >> shift) & 0xFFu)) * prime;
  }
};

}  // namespace s2sam
