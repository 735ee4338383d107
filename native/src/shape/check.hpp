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
  /// f32 [N, C, H, W] in the backend's own layout.
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
  /// A plain tensor of this dtype and shape; `because` says where the shape comes from.
  void exactly(Operand x, DType wanted, const Shape& shape, const std::string& because) const;
  /// A plain tensor of one element.
  void scalar(Operand x, DType wanted) const;
  /// Equal shapes.
  void same(Operand a, Operand b) const {
    if (!(a.tensor.shape == b.tensor.shape)) differ(a, b);
  }
  /// f32, equal shapes and formats.
  void alike(Operand a, Operand b) const;

 private:
  [[noreturn]] void wrong_dtype(Operand x, DType wanted) const;
  [[noreturn]] void wrong_rank(Operand x, int rank) const;
  [[noreturn]] void not_an_image(Operand x) const;
  [[noreturn]] void not_plain(Operand x) const;
  [[noreturn]] void differ(Operand a, Operand b) const;

  const char* op_;
};

/// "x [8, 3, 32, 32]"
std::string describe(Operand x);

}  // namespace s2sam::shape
