// Count and FNV-1a checksum of a mask, in parallel although FNV-1a goes byte by byte: h' = (h ^ byte) * prime mod 2^64.
//
// The xor changes the low 8 bits of h alone, by an amount that depends on these 8 bits and the byte; the rest is
// linear. So over a segment of n bytes, with low = h mod 256,
//   hash(h) = hash(low) + (h - low) * prime^n,
// and a block of 256 threads finds hash(low) of its segment for every low there can be. One thread then goes from
// segment to segment.

#include "cuda/block.hpp"
#include "s2sam/mask_bits.hpp"
#include "s2sam/ops.hpp"

namespace s2sam {

namespace {

constexpr int lows = 256;
constexpr int segment_words = 512;
static_assert(block_threads == lows);

/// Of all segments, in scratch memory.
struct Segments {
  std::uint64_t (*hash)[lows];
  unsigned* kept;
};

__device__ std::uint64_t power(std::uint64_t base, unsigned exponent) {
  std::uint64_t result = 1;
  for (; exponent != 0; exponent /= 2, base *= base) {
    if (exponent % 2 != 0) result *= base;
  }
  return result;
}

/// The words of a segment: the last one may be shorter.
__device__ int words_of(std::int64_t words, std::int64_t segment) {
  return static_cast<int>(min(words - segment * segment_words, std::int64_t{segment_words}));
}

__device__ std::uint64_t checksum(const Segments& segments, unsigned count, std::int64_t words) {
  const std::uint64_t whole = power(Fnv1a::prime, 4 * segment_words);
  std::uint64_t hash = Fnv1a{}.hash;
  for (unsigned s = 0; s < count; ++s) {
    const int length = words_of(words, s);
    const std::uint64_t factor =
        length == segment_words ? whole : power(Fnv1a::prime, 4 * static_cast<unsigned>(length));
    const std::uint64_t low = hash % lows;
    hash = segments.hash[s][low] + (hash - low) * factor;
  }
  return hash;
}

__global__ void summary_kernel(const std::uint32_t* bits, std::int64_t words, Segments segments, unsigned* ticket,
                               std::uint32_t* summary) {
  __shared__ std::uint32_t word[segment_words];
  const int length = words_of(words, blockIdx.x);
  int own = 0;
  for (int w = threadIdx.x; w < length; w += block_threads) {
    word[w] = bits[std::int64_t{blockIdx.x} * segment_words + w];
    own += __popc(word[w]);
  }
  const int kept = block_sum(own);
  Fnv1a hash{threadIdx.x};
  for (int w = 0; w < length; ++w) hash.add(word[w]);
  segments.hash[blockIdx.x][threadIdx.x] = hash.hash;
  if (threadIdx.x == 0) segments.kept[blockIdx.x] = static_cast<unsigned>(kept);

  if (!is_last_block(ticket)) return;
  unsigned part = 0;
  for (unsigned s = threadIdx.x; s < gridDim.x; s += block_threads) part += segments.kept[s];
  const unsigned total = block_sum(part);
  if (threadIdx.x != 0) return;
  const std::uint64_t sum = checksum(segments, gridDim.x, words);
  summary[0] = total;
  summary[1] = static_cast<std::uint32_t>(sum);
  summary[2] = static_cast<std::uint32_t>(sum >> 32);
}

}  // namespace

namespace ops {

void mask_summary(Stream& stream, MaskRef mask, Tensor summary) {
  stream.submit("maskSummary", [&](Op& op) {
    const std::int64_t words = mask_words(mask->count), count = (words + segment_words - 1) / segment_words;
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(std::uint64_t[lows]);
    const Segments segments{static_cast<std::uint64_t (*)[lows]>(op.scratch(bytes)), op.scratch_of<unsigned>(count)};
    launch(op, summary_kernel, static_cast<unsigned>(count), block_threads, mask->bits.as<const std::uint32_t>(), words,
           segments, op.ticket(), summary.as<std::uint32_t>());
  });
}

}  // namespace ops

}  // namespace s2sam
