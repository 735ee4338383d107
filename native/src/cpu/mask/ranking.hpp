#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "cpu/stream.hpp"
#include "s2sam/mask.hpp"
#include "s2sam/mask_bits.hpp"

namespace s2sam {

/// Chooses the largest among the weights of one or several masks, as if these lay one behind the other: a radix selection,
/// whose result depends neither on the number of threads nor on how the masks are cut.
///
/// Candidates: std::uint32_t (mask, word), the bits of a word that may be chosen. KeyOf: Key (mask, element), unsigned; larger
/// keys are chosen first, among equal ones the earlier.
template <class Key, class Candidates, class KeyOf>
class Ranking {
 public:
  Ranking(Context& context, const std::vector<Mask*>& masks, Candidates candidates, KeyOf key_of)
      : context_(context), candidates_(candidates), key_of_(key_of) {
    for (std::size_t m = 0; m < masks.size(); ++m) {
      const std::int64_t words = mask_words(masks[m]->count);
      for (std::int64_t begin = 0; begin < words; begin += run_words) {
        runs_.push_back({m, begin, std::min(begin + run_words, words)});
      }
    }
    per_run_.resize(runs_.size());
  }

  /// How many candidates there are.
  std::int64_t count() {
    return sum_over_runs([this](const Run& run) {
      std::int64_t found = 0;
      for (std::int64_t word = run.begin; word < run.end; ++word) found += std::popcount(candidates_(run.mask, word));
      return found;
    });
  }

  /// How many candidates have at least this key.
  std::int64_t count_from(Key least) {
    return sum_over_runs([&](const Run& run) {
      std::int64_t found = 0;
      each(run, [&](std::int64_t i) { found += key_of_(run.mask, i) >= least ? 1 : 0; });
      return found;
    });
  }

  /// Calls assign(mask, word, chosen bits of it) for every word, in parallel; `wanted` of the candidates are chosen.
  template <class Assign>
  void choose(std::int64_t wanted, const Assign& assign) {
    const Cut cut = find_cut(wanted);
    if (cut.ties != all) count_ties(cut.key);
    context_.parallel(static_cast<std::ptrdiff_t>(runs_.size()), [&](std::ptrdiff_t r) {
      const Run& run = runs_[static_cast<std::size_t>(r)];
      std::int64_t ties = cut.ties == all ? all : cut.ties - per_run_[static_cast<std::size_t>(r)];
      for (std::int64_t word = run.begin; word < run.end; ++word) {
        std::uint32_t chosen = 0;
        for (std::uint32_t bits = candidates_(run.mask, word); bits != 0; bits &= bits - 1) {
          const Key key = key_of_(run.mask, word * 32 + std::countr_zero(bits));
          const bool in = key > cut.key || (key == cut.key && ties-- > 0);
          if (in) chosen |= bits & (0u - bits);
        }
        assign(run.mask, word, chosen);
      }
    });
  }

 private:
  /// Words of one mask that a thread takes at a time.
  struct Run {
    std::size_t mask;
    std::int64_t begin, end;
  };
  /// Chosen are all larger keys, and the first `ties` equal ones.
  struct Cut {
    Key key;
    std::int64_t ties;
  };

  static constexpr std::int64_t run_words = 2048;
  static constexpr std::int64_t all = std::numeric_limits<std::int64_t>::max();
  static constexpr int digit_bits = 11;
  static constexpr std::size_t digits = std::size_t{1} << digit_bits;

  template <class Visit>
  void each(const Run& run, const Visit& visit) const {
    for (std::int64_t word = run.begin; word < run.end; ++word) {
      for (std::uint32_t bits = candidates_(run.mask, word); bits != 0; bits &= bits - 1) {
        visit(word * 32 + std::countr_zero(bits));
      }
    }
  }

  template <class Count>
  std::int64_t sum_over_runs(const Count& count_in) {
    context_.parallel(static_cast<std::ptrdiff_t>(runs_.size()), [&](std::ptrdiff_t r) {
      per_run_[static_cast<std::size_t>(r)] = count_in(runs_[static_cast<std::size_t>(r)]);
    });
    std::int64_t total = 0;
    for (std::int64_t found : per_run_) total += found;
    return total;
  }

  /// Finds the key of the last chosen one digit by digit, the highest first.
  Cut find_cut(std::int64_t wanted) {
    constexpr int key_bits = std::numeric_limits<Key>::digits;
    Key prefix = 0;
    std::int64_t left = wanted;
    for (int shift = key_bits; shift > 0;) {
      const Key known = shift == key_bits ? Key{0} : static_cast<Key>(~Key{0} << shift);
      shift = std::max(0, shift - digit_bits);
      const std::vector<std::int64_t> histogram = histogram_of(known, prefix, shift);
      std::size_t digit = digits - 1;
      for (; digit > 0 && left > histogram[digit]; --digit) left -= histogram[digit];
      prefix |= static_cast<Key>(digit) << shift;
      if (left == histogram[digit]) return {prefix, all};
    }
    return {prefix, left};
  }

  /// How often each digit follows the prefix, among the candidates whose `known` bits are those of the prefix.
  std::vector<std::int64_t> histogram_of(Key known, Key prefix, int shift) {
    auto* counts = static_cast<std::uint32_t*>(context_.scratch(runs_.size() * digits * sizeof(std::uint32_t)));
    context_.parallel(static_cast<std::ptrdiff_t>(runs_.size()), [&](std::ptrdiff_t r) {
      std::uint32_t* own = counts + static_cast<std::size_t>(r) * digits;
      std::fill_n(own, digits, 0u);
      const Run& run = runs_[static_cast<std::size_t>(r)];
      each(run, [&](std::int64_t i) {
        const Key key = key_of_(run.mask, i);
        if (((key ^ prefix) & known) == 0) ++own[static_cast<Key>(key & ~known) >> shift];
      });
    });
    std::vector<std::int64_t> total(digits);
    for (std::size_t r = 0; r < runs_.size(); ++r) {
      for (std::size_t digit = 0; digit < digits; ++digit) total[digit] += counts[r * digits + digit];
    }
    return total;
  }

  /// per_run_ = candidates of this key in the runs before.
  void count_ties(Key key) {
    sum_over_runs([&](const Run& run) {
      std::int64_t found = 0;
      each(run, [&](std::int64_t i) { found += key_of_(run.mask, i) == key ? 1 : 0; });
      return found;
    });
    std::exclusive_scan(per_run_.begin(), per_run_.end(), per_run_.begin(), std::int64_t{0});
  }

  Context& context_;
  Candidates candidates_;
  KeyOf key_of_;
  std::vector<Run> runs_;
  std::vector<std::int64_t> per_run_;
};

}  // namespace s2sam
