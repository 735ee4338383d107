#include "memory/pool.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <iterator>
#include <string>
#include <utility>

#include "s2sam/error.hpp"

namespace s2sam {

namespace {

constexpr std::size_t smallest_block = 64;

/// Sizes grow in eight steps per doubling, so that rounding wastes at most an eighth and sizes recur.
std::size_t size_class(std::size_t bytes) {
  const std::size_t step = std::max(smallest_block, std::bit_floor(bytes) / 8);
  return std::max(smallest_block, (bytes + step - 1) / step * step);
}

/// A free block may serve a request if it is at most a quarter larger.
bool close_enough(std::size_t block, std::size_t bytes) { return block <= bytes + bytes / 4; }

}  // namespace

Pool::Storage::Storage(Pool& pool, Block block, std::size_t asked, bool step)
    : pool_(pool), block_(std::move(block)), asked_(asked), capture_(step ? pool.captures_ : 0) {
  pool_.active_ += asked_;
  pool_.peak_ = std::max(pool_.peak_, pool_.active_);
}

Pool::Storage::~Storage() {
  pool_.active_ -= asked_;
  pool_.put_back(std::move(block_), capture_ != 0);
}

Pool::StoragePtr Pool::allocate(const char* op, std::size_t bytes) {
  const std::size_t size = size_class(bytes);
  Block block;
  if (capturing_) block = take(step_free_, size);
  if (!block.memory) block = take(free_, size);
  if (!block.memory) block = fresh(op, bytes, size);
  return std::make_shared<Storage>(*this, std::move(block), bytes, capturing_);
}

void Pool::begin_capture() {
  capturing_ = step_arena_ = true;
  ++captures_;
}

void Pool::dissolve_step_arena() {
  step_arena_ = false;
  for (auto& [bytes, blocks] : step_free_) {
    for (backend::Memory& memory : blocks) free_[bytes].push_back(std::move(memory));
  }
  step_free_.clear();
}

void Pool::trim() {
  std::vector<backend::Memory> blocks;
  for (auto& [bytes, list] : free_) {
    held_ -= bytes * list.size();
    std::move(list.begin(), list.end(), std::back_inserter(blocks));
  }
  free_.clear();
  backend::release_later(stream_, std::move(blocks));
}

void Pool::empty_cache() {
  trim();
  backend::drain(stream_);
}

Pool::Block Pool::take(FreeList& list, std::size_t bytes) {
  const auto found = list.lower_bound(bytes);
  if (found == list.end() || !close_enough(found->first, bytes)) return {};
  Block block{std::move(found->second.back()), found->first};
  found->second.pop_back();
  if (found->second.empty()) list.erase(found);
  return block;
}

void Pool::put_back(Block block, bool step) {
  FreeList& list = step && step_arena_ ? step_free_ : free_;
  list[block.bytes].push_back(std::move(block.memory));
}

Pool::Block Pool::fresh(const char* op, std::size_t asked, std::size_t bytes) {
  const auto refuse = [&](const std::string& why) {
    throw Error(Code::out_of_memory, op,
                "asked for " + std::to_string(asked) + " bytes, but " + why + " (in tensors: " + std::to_string(active_) +
                    ", cached: " + std::to_string(cached()) + ", limit: " + std::to_string(limit_) +
                    "); use a smaller batch or model, dispose tensors, or raise S2SAM_MEMORY_LIMIT");
  };
  // Checked first, so that an absurd wish does not cost the cache.
  if (bytes > limit_ || active_ > limit_ - bytes) refuse("that is more than the limit leaves");
  if (held_ > limit_ - bytes) {
    empty_cache();
    if (held_ > limit_ - bytes) refuse("captured steps and tensors hold the rest");
  }
  backend::Memory memory;
  try {
    memory = backend::allocate(stream_, bytes);
  } catch (const Error&) {
    empty_cache();
    try {
      memory = backend::allocate(stream_, bytes);
    } catch (const Error&) {
      refuse("the system has no more");
    }
  }
  held_ += bytes;
  return {std::move(memory), bytes};
}

std::size_t memory_limit(std::size_t otherwise) {
  const char* text = std::getenv("S2SAM_MEMORY_LIMIT");
  if (text == nullptr || *text == '\0') return otherwise;
  char* end = nullptr;
  const unsigned long long bytes = std::strtoull(text, &end, 10);
  if (*end != '\0' || *text == '-' || bytes == 0) {
    throw Error(Code::argument, "openDevice",
                std::string("S2SAM_MEMORY_LIMIT is '") + text + "'; it must be a positive whole number of bytes");
  }
  return bytes;
}

}  // namespace s2sam
