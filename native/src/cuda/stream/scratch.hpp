#pragma once

#include <cstddef>
#include <vector>

#include "s2sam/backend.hpp"

namespace s2sam {

/// Memory for what an op needs while it runs. Ops of a stream run one after another, so all of them share it: every op begins at
/// its start. A recorded step keeps using the addresses it was recorded with, so blocks outgrown after that stay until the end.
class Scratch {
 public:
  /// Aligned to 256 bytes, contents undefined, valid until the next op begins.
  void* take(Stream& stream, std::size_t bytes);
  /// An op begins: gives back the blocks that the one before has outgrown.
  void rewind(Stream& stream);
  /// A step was recorded: what there is must not move.
  void pin() { pinned_ = blocks_.size(); }
  std::size_t bytes() const { return held_; }

 private:
  struct Block {
    backend::Memory memory;
    std::size_t bytes;
  };

  void grow(Stream& stream, std::size_t bytes);

  std::vector<Block> blocks_;  // the last one is in use
  std::size_t pinned_ = 0;     // the first so many serve recorded steps
  std::size_t used_ = 0;
  std::size_t held_ = 0;
};

}  // namespace s2sam
