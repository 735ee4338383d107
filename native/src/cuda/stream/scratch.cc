#include "cuda/stream/scratch.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "cuda/stream/stream.hpp"

namespace s2sam {

namespace {

constexpr std::size_t alignment = 256;
constexpr std::size_t smallest = std::size_t{1} << 20;

std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

}  // namespace

void* Scratch::take(Stream& stream, std::size_t bytes) {
  const std::size_t size = aligned(std::max<std::size_t>(bytes, 1));
  if (blocks_.empty() || used_ + size > blocks_.back().bytes) grow(stream, used_ + size);
  void* data = static_cast<std::byte*>(blocks_.back().memory.get()) + used_;
  used_ += size;
  return data;
}

void Scratch::rewind(Stream& stream) {
  used_ = 0;
  if (stream.capturing() || blocks_.size() < pinned_ + 2) return;  // a step being recorded uses what was outgrown meanwhile
  std::vector<backend::Memory> outgrown;
  for (auto block = blocks_.begin() + static_cast<std::ptrdiff_t>(pinned_); block != blocks_.end() - 1; ++block) {
    held_ -= block->bytes;
    outgrown.push_back(std::move(block->memory));
  }
  blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(pinned_), blocks_.end() - 1);
  backend::release_later(stream, std::move(outgrown));
}

/// What the op has taken so far stays valid in the block that is outgrown.
void Scratch::grow(Stream& stream, std::size_t bytes) {
  const std::size_t held = blocks_.empty() ? 0 : blocks_.back().bytes;
  const std::size_t size = std::max({smallest, bytes, held + held / 2});
  blocks_.push_back({backend::allocate(stream, size), size});
  held_ += size;
  used_ = 0;
}

}  // namespace s2sam
