#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "s2sam/error.hpp"
#include "s2sam/tensor.hpp"

namespace s2sam::shape {

/// An operand and the name its op knows it by.
struct Operand {
  const char* name;
  const Tensor& tensor;
};

/// The checks that the rules are made of; each names the op and the operand.
class Check {
 public:
  explicit Check(const char* op) : op_(op) {}

  [[noreturn]] void fail(Code code, const std::string& message) const { throw Error(code, op_, message); }

  void dtype(Operand x, DType wanted) const {
    if (x.tensor.dtype != wanted) wrong_dtype(x, wanted);
  }
  /// Floating point [N, C, H, W] in the backend's own layout.
  void image(Operand x) const {
    if (x.tensor.format != Format::activation) not_an_image(x);
  }
  void plain(Operand x) const {
    if (x.tensor.format != Format::plain) not_plain(x);
  }
  /// A plain tensor of this dtype and rank; rank -1: any.
  void plain(Operand x, DType wanted, int rank) const {
    plain(x);
    dtype(x, wanted);
    if (rank >= 0 && x.tensor.shape.rank() != rank) wrong_rank(x, rank);
  }
  /// A plain floating-point tensor of rank 2.
  void matrix(Operand x) const {
    plain(x);
    floating(x);
    if (x.tensor.shape.rank() != 2) wrong_rank(x, 2);
  }
  /// A plain tensor of this dtype and shape; `because` says where the shape comes from.
  void exactly(Operand x, DType wanted, const Shape& shape, const std::string& because) const;
  /// A plain tensor of one element.
  void scalar(Operand x, DType wanted) const;
  /// f32, f16 or bf16.
  void floating(Operand x) const {
    if (!is_float(x.tensor.dtype)) not_floating(x);
  }
  /// Equal dtypes.
  void same_dtype(Operand x, Operand reference) const {
    if (x.tensor.dtype != reference.tensor.dtype) other_dtype(x, reference);
  }
  /// The backend computes with this type.
  void stored(DType dtype) const {
    if (!stores(dtype)) not_stored(dtype);
  }
  /// Equal shapes.
  void same(Operand a, Operand b) const {
    if (!(a.tensor.shape == b.tensor.shape)) differ(a, b);
  }
  /// One floating-point type, equal shapes and formats.
  void alike(Operand a, Operand b) const;

 private:
  [[noreturn]] void wrong_dtype(Operand x, DType wanted) const;
  [[noreturn]] void other_dtype(Operand x, Operand reference) const;
  [[noreturn]] void not_floating(Operand x) const;
  [[noreturn]] void not_stored(DType dtype) const;
  [[noreturn]] void wrong_rank(Operand x, int rank) const;
  [[noreturn]] void not_an_image(Operand x) const;
  [[noreturn]] void not_plain(Operand x) const;
  [[noreturn]] void differ(Operand a, Operand b) const;

  const char* op_;
};

/// "x [8, 3, 32, 32]"
std::string describe(Operand x);

}  // namespace s2sam::shape
