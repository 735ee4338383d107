#include "cuda/stream/staging.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "cuda/check.hpp"
#include "cuda/stream/events.hpp"

namespace s2sam {

namespace {

constexpr std::size_t smallest = 4096;

Pinned pinned(const char* op, std::size_t bytes) {
  const BesideCapture beside;
  void* data = nullptr;
  check(cudaHostAlloc(&data, bytes, cudaHostAllocDefault), op, "cudaHostAlloc");
  return Pinned(data);
}

}  // namespace

void PinnedDeleter::operator()(void* data) const noexcept {
  const BesideCapture beside;
  cudaFreeHost(data);
}

Staging::BlockPtr Staging::take(Stream& stream, const char* op, std::size_t bytes, bool with_device) {
  const std::size_t size = std::max(smallest, std::bit_ceil(bytes));
  StagingBlock block;
  {
    const std::lock_guard lock(shelf_->mutex);
    auto& free = with_device ? shelf_->with_device : shelf_->plain;
    if (const auto found = free.find(size); found != free.end()) block = std::move(free.extract(found).mapped());
  }
  if (!block.host) {
    block = {pinned(op, size), with_device ? backend::allocate(stream, size) : backend::Memory(), size};
    const std::lock_guard lock(shelf_->mutex);
    if (with_device) shelf_->device_bytes += size;
  }
  const auto put_back = [shelf = shelf_, with_device](StagingBlock* used) {
    const std::unique_ptr<StagingBlock> owned(used);
    const std::lock_guard lock(shelf->mutex);
    (with_device ? shelf->with_device : shelf->plain).emplace(owned->bytes, std::move(*owned));
  };
  return {std::make_unique<StagingBlock>(std::move(block)).release(), put_back};
}

std::size_t Staging::device_bytes() const {
  const std::lock_guard lock(shelf_->mutex);
  return shelf_->device_bytes;
}

}  // namespace s2sam
