#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace s2sam {

enum class DType : std::uint8_t { f32, i32, u32, u8, f16, bf16 };

/// IEEE binary16 and bfloat16. JavaScript reads and writes tensors of these types as f32.
constexpr bool is_half(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }
constexpr bool is_float(DType dtype) { return dtype == DType::f32 || is_half(dtype); }

constexpr std::size_t size_of(DType dtype) { return dtype == DType::u8 ? 1 : is_half(dtype) ? 2 : 4; }

constexpr const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return "f32";
    case DType::i32: return "i32";
    case DType::u32: return "u32";
    case DType::u8: return "u8";
    case DType::f16: return "f16";
    case DType::bf16: return "bf16";
  }
  return "unknown";
}

/// Logical extents, in PyTorch's order ([N, C, H, W] for images, [O, I, kH, kW] for convolution weights). Rank 0 to 4.
class Shape {
 public:
  static constexpr int max_rank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) {
    for (std::int64_t dim : dims) push(dim);
  }

  void push(std::int64_t dim) { dims_[static_cast<std::size_t>(rank_++)] = dim; }
  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return dims_[static_cast<std::size_t>(axis)]; }
  std::int64_t count() const {
    std::int64_t product = 1;
    for (int axis = 0; axis < rank_; ++axis) product *= (*this)[axis];
    return product;
  }
  bool operator==(const Shape& other) const { return rank_ == other.rank_ && dims_ == other.dims_; }
  std::string string() const {
    std::string text = "[";
    for (int axis = 0; axis < rank_; ++axis) text += (axis ? ", " : "") + std::to_string((*this)[axis]);
    return text + "]";
  }

 private:
  int rank_ = 0;
  std::array<std::int64_t, max_rank> dims_{};
};

/// How the elements lie in memory.
enum class Format : std::uint8_t {
  plain,       ///< row-major, PyTorch's contiguous form
  activation,  ///< floating point [N, C, H, W] in the backend's own layout, with `border` rows and columns of zeros around each plane
};

/// A view of device memory; never owns it. Passed by value into commands.
struct Tensor {
  Shape shape;
  DType dtype = DType::f32;
  Format format = Format::plain;
  int border = 0;
  void* data = nullptr;

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  explicit operator bool() const { return data != nullptr; }
};

/// Whether the backend that is linked in computes with this type (the CPU: not with f16 and bf16).
bool stores(DType dtype);

/// Bytes a tensor of this form needs on the backend that is linked in.
std::size_t storage_bytes(const Shape& shape, DType dtype, Format format, int border);

}  // namespace s2sam
