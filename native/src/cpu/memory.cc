#include "cpu/memory.hpp"

#include <new>
#include <string>

#include "s2sam/error.hpp"

namespace s2sam {

namespace {
constexpr std::align_val_t alignment{64};
}

void AlignedDelete::operator()(void* data) const noexcept { ::operator delete(data, alignment); }

std::unique_ptr<void, AlignedDelete> aligned_allocate(std::size_t bytes) {
  void* data = ::operator new(bytes, alignment, std::nothrow);
  if (data == nullptr) {
    throw Error(Code::out_of_memory, "allocate", "the system has no " + std::to_string(bytes) + " bytes left");
  }
  return std::unique_ptr<void, AlignedDelete>(data);
}

}  // namespace s2sam
