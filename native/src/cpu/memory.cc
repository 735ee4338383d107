#include "cpu/memory.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstdint>
#include <new>
#include <string>

#include "s2sam/error.hpp"

namespace s2sam {

namespace {

constexpr std::size_t cache_line = 64;

#if defined(__linux__)
/// A convolution reads from hundreds of planes in turn, more pages of 4 KiB than a core can translate at once: with large
/// pages it is some tenth faster. Only a wish: where the system has none to give, nothing changes.
void ask_for_large_pages(void* data, std::size_t bytes) {
  constexpr std::size_t large_page = std::size_t{2} << 20;
  const auto begin = (reinterpret_cast<std::uintptr_t>(data) + large_page - 1) / large_page * large_page;
  const auto end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / large_page * large_page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}
#else
void ask_for_large_pages(void*, std::size_t) {}
#endif

}  // namespace

void AlignedDelete::operator()(void* data) const noexcept { ::operator delete(data, std::align_val_t{cache_line}); }

std::unique_ptr<void, AlignedDelete> aligned_allocate(std::size_t bytes) {
  void* data = ::operator new(bytes, std::align_val_t{cache_line}, std::nothrow);
  if (data == nullptr) {
    throw Error(Code::out_of_memory, "allocate", "the system has no " + std::to_string(bytes) + " bytes left");
  }
  ask_for_large_pages(data, bytes);
  return std::unique_ptr<void, AlignedDelete>(data);
}

}  // namespace s2sam
