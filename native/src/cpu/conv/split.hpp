#pragma once

namespace s2sam::conv {

/// [0, count) in pieces of nearly equal size.
struct Split {
  int count, pieces;

  bool operator==(const Split&) const = default;

  /// The fewest pieces of at most `most`.
  static Split at_most(int count, int most) { return {count, (count + most - 1) / most}; }

  int begin(int piece) const { return static_cast<int>(static_cast<long long>(count) * piece / pieces); }
  int end(int piece) const { return begin(piece + 1); }
};

}  // namespace s2sam::conv
