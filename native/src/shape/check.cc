#include "shape/check.hpp"

#include "s2sam/shape.hpp"

namespace s2sam::shape {

namespace {
constexpr std::int64_t largest_extent = (std::int64_t{1} << 31) - 1;
/// Leaves room for the padding of activations, four bytes per element and sums of a few such sizes.
constexpr std::int64_t largest_count = std::int64_t{1} << 48;
}  // namespace

std::string describe(Operand x) { return std::string(x.name) + " " + x.tensor.shape.string(); }

const Shape& checked(const char* op, const Shape& shape) {
  std::int64_t count = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] < 1 || shape[axis] > largest_extent) {
      throw Error(Code::shape, op, "shape " + shape.string() + " must have extents from 1 to 2147483647");
    }
    if (__builtin_mul_overflow(count, shape[axis], &count) || count > largest_count) {
      throw Error(Code::shape, op, "shape " + shape.string() + " has more elements than any memory can hold");
    }
  }
  return shape;
}

Form plain(const Shape& shape, DType dtype) { return {shape, dtype, Format::plain, 0, nullptr}; }

Form activation(const Shape& shape, int border, DType dtype) {
  return {shape, dtype, Format::activation, border, nullptr};
}

void Check::exactly(Operand x, DType wanted, const Shape& shape, const std::string& because) const {
  plain(x);
  dtype(x, wanted);
  if (!(x.tensor.shape == shape)) fail(Code::shape, describe(x) + " must be " + shape.string() + ", since " + because);
}

void Check::scalar(Operand x, DType wanted) const {
  plain(x);
  dtype(x, wanted);
  if (x.tensor.shape.count() != 1) fail(Code::shape, describe(x) + " must have exactly one element");
}

void Check::alike(Operand a, Operand b) const {
  floating(a);
  same_dtype(b, a);
  same(a, b);
  if (a.tensor.format == b.tensor.format) return;
  const bool first = a.tensor.format == Format::activation;
  fail(Code::argument, std::string(first ? a.name : b.name) + " is an activation and " + (first ? b.name : a.name) +
                           " is plain, both " + a.tensor.shape.string() + "; copy one into the form of the other first");
}

void Check::wrong_dtype(Operand x, DType wanted) const {
  fail(Code::dtype, describe(x) + " is " + name_of(x.tensor.dtype) + ", but must be " + name_of(wanted));
}

void Check::other_dtype(Operand x, Operand reference) const {
  fail(Code::dtype, describe(x) + " is " + name_of(x.tensor.dtype) + ", but " + describe(reference) + " is " +
                        name_of(reference.tensor.dtype) + "; cast one to the type of the other first");
}

void Check::not_floating(Operand x) const {
  fail(Code::dtype, describe(x) + " is " + name_of(x.tensor.dtype) + ", but must be f32, f16 or bf16");
}

void Check::not_stored(DType dtype) const {
  fail(Code::dtype, std::string("this device does not compute in ") + name_of(dtype) + "; use dtype 'f32' or a CUDA device");
}

void Check::wrong_rank(Operand x, int rank) const {
  fail(Code::shape, describe(x) + " has rank " + std::to_string(x.tensor.shape.rank()) + ", but must have rank " +
                        std::to_string(rank));
}

void Check::not_an_image(Operand x) const {
  floating(x);
  if (x.tensor.shape.rank() != 4) fail(Code::shape, describe(x) + " must be images [N, C, H, W]");
  fail(Code::argument, describe(x) + " is a plain tensor, but must be an activation; copy it into one first");
}

void Check::not_plain(Operand x) const {
  fail(Code::argument, describe(x) + " is an activation, but must be plain; copy it into a plain tensor, or flatten it");
}

void Check::differ(Operand a, Operand b) const {
  fail(Code::shape, describe(a) + " and " + describe(b) + " must have the same shape");
}

}  // namespace s2sam::shape
