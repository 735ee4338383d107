#pragma once

#include <cstdint>

#include "cuda/block.hpp"
#include "s2sam/mask.hpp"
#include "s2sam/mask_bits.hpp"

/// Chooses the largest among the weights of several masks, as if these lay one behind the other: a radix selection over
/// 11 bits of the key at a time, all masks in one launch, nothing read by the host. The result does not depend on how
/// the work is cut.
///
/// Launches, for 32 bits: 3 times `histogram_kernel`, whose last block narrows the cut; `count_ties_kernel`;
/// `assign_kernel`.
namespace s2sam {

/// Words of one mask that a block takes at a time: one per thread.
constexpr int run_words = block_threads;
constexpr int digit_bits = 11;
constexpr int digits = 1 << digit_bits;

struct RankedMask {
  std::uint32_t* bits;
  const float* scores;
  std::int64_t count;
  std::int64_t first_run;  ///< runs of the masks before
};

enum class Among : std::int32_t { all, kept, dropped };

/// A weight's rank by its score.
struct ByScore {
  using Key = std::uint32_t;
  __device__ Key operator()(const RankedMask& mask, std::int64_t i) const { return score_rank(mask.scores[i]); }
};

/// By its lot, the smallest first.
struct ByLot {
  using Key = std::uint64_t;
  Philox philox;
  __device__ Key operator()(const RankedMask&, std::int64_t i) const {
    return ~random_lot(philox, static_cast<std::uint32_t>(i));
  }
};

/// What is ranked.
template <class KeyOf>
struct Field {
  const RankedMask* masks;
  int mask_count;
  std::int64_t runs;
  Among among;
  const std::uint32_t* except;  ///< bits that are no candidates (of one mask alone), or null
  KeyOf key_of;
};

/// How many are chosen.
struct Wish {
  enum Kind : std::int32_t {
    amount,    ///< so many
    all_but,   ///< all candidates but so many
    at_least,  ///< all with at least the threshold's key, and at least so many if there are
  };

  Kind kind;
  std::uint32_t threshold;
  std::int64_t count;
};

constexpr std::int64_t all_ties = INT64_MAX;

/// What is known of the cut so far: chosen are all keys above `key` and the first `ties` equal ones. While it is
/// sought, the bits below `known` are missing from `key`, and `ties` are to be chosen among those whose known bits are
/// equal. Begins as zeros.
template <class Key>
struct Cut {
  Key key, known;
  std::int64_t ties;
  bool found, impossible;
};

/// A run of words, and per word the bits that may be chosen.
struct Run {
  RankedMask mask;
  std::int64_t first_word;
  std::uint32_t candidates;  ///< of the word that is this thread's
  bool has_word;             ///< the run may be shorter than the block
};

template <class KeyOf>
__device__ Run run_of(const Field<KeyOf>& field, std::int64_t run) {
  int low = 0, high = field.mask_count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (field.masks[middle].first_run <= run ? low : high) = middle;
  }
  Run result{field.masks[low], 0, 0, false};
  result.first_word = (run - result.mask.first_run) * run_words;
  const std::int64_t word = result.first_word + threadIdx.x;
  result.has_word = word < mask_words(result.mask.count);
  if (!result.has_word) return result;
  const std::uint32_t bits = result.mask.bits[word], valid = valid_bits(word, result.mask.count);
  if (field.among == Among::all) result.candidates = valid;
  if (field.among == Among::kept) result.candidates = bits;
  if (field.among == Among::dropped) {
    result.candidates = ~bits & valid & ~(field.except != nullptr ? field.except[word] : 0u);
  }
  return result;
}

/// Calls visit(word of the run, whether this lane's weight is a candidate, its key) with a lane for each bit, all words
/// of the run.
template <class KeyOf, class Visit>
__device__ void each_word(const KeyOf& key_of, const Run& run, const Visit& visit) {
  using Key = typename KeyOf::Key;
  constexpr int at_once = 4;  // loads under way
  __shared__ std::uint32_t candidates[run_words];
  candidates[threadIdx.x] = run.candidates;
  __syncthreads();
  const int lane = threadIdx.x % warp_threads, warp = threadIdx.x / warp_threads;
  for (int begin = warp; begin < run_words; begin += at_once * block_warps) {
    bool in[at_once];
    Key key[at_once];
    for (int u = 0; u < at_once; ++u) {
      const int word = begin + u * block_warps;
      in[u] = (candidates[word] >> lane & 1u) != 0;
      key[u] = in[u] ? key_of(run.mask, (run.first_word + word) * 32 + lane) : 0;
    }
    for (int u = 0; u < at_once; ++u) visit(begin + u * block_warps, in[u], key[u]);
  }
  __syncthreads();
}

/// Counts per digit, the highest first, of the thread's share.
struct DigitCounts {
  static constexpr int per_thread = digits / block_threads;
  std::int64_t count[per_thread];
  std::int64_t sum = 0;

  /// Leaves zeros for the next pass.
  __device__ explicit DigitCounts(unsigned long long* of_digit) {
    for (int k = 0; k < per_thread; ++k) {
      count[k] = static_cast<std::int64_t>(of_digit[digit(k)]);
      of_digit[digit(k)] = 0;
      sum += count[k];
    }
  }
  __device__ static int digit(int k) { return digits - 1 - (static_cast<int>(threadIdx.x) * per_thread + k); }
};

/// How many of `candidates` the wish is for.
__device__ inline std::int64_t wanted_of(const Wish& wish, std::int64_t candidates) {
  if (wish.kind == Wish::all_but) return candidates - wish.count;
  return wish.kind == Wish::at_least ? min(wish.count, candidates) : wish.count;
}

/// Adds the digit at `shift` to the cut, by the one thread whose share it is in.
template <class Key>
__device__ void narrow(Cut<Key>* cut, const DigitCounts& counts, std::int64_t above, std::int64_t wanted, int shift) {
  for (int k = 0; k < DigitCounts::per_thread; ++k) {
    if (wanted <= above + counts.count[k]) {
      cut->key |= static_cast<Key>(DigitCounts::digit(k)) << shift;
      cut->known = static_cast<Key>(~Key{0} << shift);
      cut->found = wanted == above + counts.count[k] || shift == 0;
      cut->ties = wanted == above + counts.count[k] ? all_ties : wanted - above;
      return;
    }
    above += counts.count[k];
  }
}

/// The last step of at_least: where the threshold lets more pass than the cut found, it is the cut.
template <class Key>
__device__ void lower_to_threshold(Cut<Key>* cut, const Wish& wish) {
  if (wish.kind == Wish::at_least && cut->key >= wish.threshold) {
    cut->key = wish.threshold;
    cut->ties = all_ties;
  }
}

/// One digit of the cut, by one block. `first`: of the first digit, whose counts together are the number of candidates.
template <class Key>
__device__ void narrow_by_block(Cut<Key>* cut, const Wish& wish, unsigned long long* of_digit, int shift, bool first,
                                const Fault& too_few, Fault* faults) {
  const DigitCounts counts(of_digit);
  const Scanned<std::int64_t> above = block_scan(counts.sum);
  const std::int64_t wanted = first ? wanted_of(wish, above.total) : cut->ties;
  __syncthreads();  // before the cut changes
  const bool impossible = wish.kind != Wish::at_least && first && wish.count > above.total;
  if (impossible || wanted == 0) {
    if (threadIdx.x == 0) {
      *cut = {static_cast<Key>(~Key{0}), 0, 0, true, impossible};
      Fault fault = too_few;
      fault.value = wish.count;
      fault.limit = above.total;
      if (impossible) report(faults, fault);
    }
  } else if (above.before < wanted && wanted <= above.before + counts.sum) {
    narrow(cut, counts, above.before, wanted, shift);
  }
  __syncthreads();
  if (threadIdx.x == 0 && cut->found) lower_to_threshold(cut, wish);
}

/// Counts the digits at `shift` among the candidates that agree with the cut so far; the last block narrows the cut.
template <class KeyOf>
__global__ void histogram_kernel(Field<KeyOf> field, Wish wish, int shift, Cut<typename KeyOf::Key>* cut,
                                 unsigned long long* of_digit, Fault too_few, Fault* faults, unsigned* ticket) {
  using Key = typename KeyOf::Key;
  __shared__ unsigned own[digits];
  const Cut<Key> now = *cut;
  if (now.found) return;
  for (int digit = threadIdx.x; digit < digits; digit += block_threads) own[digit] = 0;
  __syncthreads();
  for (std::int64_t run = blockIdx.x; run < field.runs; run += gridDim.x) {
    each_word(field.key_of, run_of(field, run), [&](int, bool in, Key key) {
      if (in && ((key ^ now.key) & now.known) == 0) atomicAdd(&own[static_cast<Key>(key & ~now.known) >> shift], 1u);
    });
  }
  for (int digit = threadIdx.x; digit < digits; digit += block_threads) {
    if (own[digit] != 0) atomicAdd(&of_digit[digit], static_cast<unsigned long long>(own[digit]));
  }
  if (is_last_block(ticket)) narrow_by_block(cut, wish, of_digit, shift, now.known == 0, too_few, faults);
}

/// Where some of equal keys are chosen: ties[run] = how many there are in the runs before.
template <class KeyOf>
__global__ void count_ties_kernel(Field<KeyOf> field, const Cut<typename KeyOf::Key>* cut, std::int64_t* ties,
                                  unsigned* ticket) {
  using Key = typename KeyOf::Key;
  const Cut<Key> now = *cut;
  if (now.ties == all_ties || now.ties == 0) return;
  for (std::int64_t run = blockIdx.x; run < field.runs; run += gridDim.x) {
    int own = 0;
    each_word(field.key_of, run_of(field, run), [&](int, bool in, Key key) { own += in && key == now.key ? 1 : 0; });
    const int total = block_sum(own);
    if (threadIdx.x == 0) ties[run] = total;
  }
  if (is_last_block(ticket)) scan_in_place(ties, field.runs);
}

/// The lowest `count` set bits of a word.
__device__ inline std::uint32_t lowest_bits(std::uint32_t word, std::int64_t count) {
  if (count >= __popc(word)) return word;
  std::uint32_t result = 0;
  for (; count > 0; --count) {
    result |= word & (0u - word);
    word &= word - 1;
  }
  return result;
}

/// Edits the masks: the chosen bits are added to a word (join), or become it.
template <class KeyOf>
__global__ void assign_kernel(Field<KeyOf> field, const Cut<typename KeyOf::Key>* cut, const std::int64_t* ties,
                              bool join) {
  using Key = typename KeyOf::Key;
  __shared__ std::uint32_t above[run_words], equal[run_words];
  const Cut<Key> now = *cut;
  if (now.impossible) return;
  for (std::int64_t run = blockIdx.x; run < field.runs; run += gridDim.x) {
    const Run own = run_of(field, run);
    each_word(field.key_of, own, [&](int word, bool in, Key key) {
      const unsigned larger = __ballot_sync(0xFFFFFFFFu, in && key > now.key);
      const unsigned same = __ballot_sync(0xFFFFFFFFu, in && key == now.key);
      if (threadIdx.x % warp_threads == 0) {
        above[word] = larger;
        equal[word] = same;
      }
    });
    std::int64_t left = now.ties;
    if (left != all_ties && left != 0) left -= ties[run] + block_scan(__popc(equal[threadIdx.x])).before;
    const std::uint32_t chosen = above[threadIdx.x] | lowest_bits(equal[threadIdx.x], left);
    if (!own.has_word) continue;
    std::uint32_t& bits = own.mask.bits[own.first_word + threadIdx.x];
    bits = join ? bits | chosen : chosen;
  }
}

}  // namespace s2sam
