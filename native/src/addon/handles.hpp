#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace s2sam::addon {

/// Folded into every handle, so that a mask given for a tensor is found out.
enum class Kind : std::uint64_t { device, tensor, mask, graph };

constexpr const char* name_of(Kind kind) {
  constexpr const char* names[] = {"device", "tensor", "mask", "graph"};
  return names[static_cast<std::size_t>(kind)];
}

/// A handle is a number JavaScript keeps exactly: generation (31 bits), slot (20 bits), kind (2 bits). The generation of a
/// slot grows with every use of it and starts at 1, so no handle is 0 and a disposed one is never mistaken for another.
struct HandleBits {
  static constexpr int kind_bits = 2, slot_bits = 20;
  static constexpr std::uint64_t largest = (std::uint64_t{1} << 53) - 1;

  std::uint64_t value;

  Kind kind() const { return static_cast<Kind>(value & 3); }
  std::size_t slot() const { return (value >> kind_bits) & ((std::uint64_t{1} << slot_bits) - 1); }
  std::uint32_t generation() const { return static_cast<std::uint32_t>(value >> (kind_bits + slot_bits)); }

  static HandleBits of(Kind kind, std::size_t slot, std::uint32_t generation) {
    return {(std::uint64_t{generation} << (kind_bits + slot_bits)) | (slot << kind_bits) |
            static_cast<std::uint64_t>(kind)};
  }
};

/// What the handles of one kind stand for. References stay valid until their entry is removed.
template <class T, Kind kind>
class Handles {
 public:
  static constexpr std::size_t capacity = std::size_t{1} << HandleBits::slot_bits;

  /// Nothing when all slots are taken.
  std::optional<HandleBits> add(T value) {
    if (free_.empty()) {
      if (slots_.size() == capacity) return std::nullopt;
      free_.reserve(slots_.size() + 1);  // so that remove() never allocates
      slots_.emplace_back();
      free_.push_back(slots_.size() - 1);
    }
    const std::size_t slot = free_.back();
    free_.pop_back();
    slots_[slot].value.emplace(std::move(value));
    return HandleBits::of(kind, slot, ++slots_[slot].generation);
  }

  /// Null when it was removed or never given out.
  T* find(HandleBits handle) {
    Slot* slot = slot_of(handle);
    return slot != nullptr && slot->value && slot->generation == handle.generation() ? &*slot->value : nullptr;
  }

  /// Whether it was given out at any time.
  bool issued(HandleBits handle) {
    Slot* slot = slot_of(handle);
    return slot != nullptr && handle.generation() >= 1 && handle.generation() <= slot->generation;
  }

  void remove(HandleBits handle) {
    if (find(handle) != nullptr) release(handle.slot());
  }

  template <class Predicate>
  void remove_if(const Predicate& predicate) {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
      if (slots_[slot].value && predicate(*slots_[slot].value)) release(slot);
    }
  }

  template <class Visit>
  void each(const Visit& visit) {
    for (Slot& slot : slots_) {
      if (slot.value) visit(*slot.value);
    }
  }

 private:
  struct Slot {
    std::optional<T> value;
    std::uint32_t generation = 0;
  };

  Slot* slot_of(HandleBits handle) {
    return handle.kind() == kind && handle.slot() < slots_.size() ? &slots_[handle.slot()] : nullptr;
  }

  void release(std::size_t slot) {
    slots_[slot].value.reset();
    if (slots_[slot].generation < 0x7FFFFFFF) free_.push_back(slot);  // else the slot is worn out
  }

  std::deque<Slot> slots_;
  std::vector<std::size_t> free_;
};

}  // namespace s2sam::addon
