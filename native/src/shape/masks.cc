#include "s2sam/shape.hpp"
#include "shape/check.hpp"

namespace s2sam::shape {

void create_mask(const Tensor& bits, const Shape& shape) {
  checked("createMask", shape);
  Check("createMask").exactly({"bits", bits}, DType::u32, {(shape.count() + 31) / 32},
                              "a mask over " + shape.string() + " has " + std::to_string(shape.count()) + " bits");
}

void mask_words(const Mask& mask, std::int64_t words) {
  if (words == mask.bits.shape.count()) return;
  Check("maskWrite").fail(Code::shape, "got " + std::to_string(words) + " words, but a mask over " + mask.shape.string() +
                                           " has " + std::to_string(mask.bits.shape.count()));
}

void mask_amount(const char* op, const char* name, const Mask& mask, std::int64_t amount) {
  if (amount <= mask.count) return;
  Check(op).fail(Code::argument, std::string(name) + " " + std::to_string(amount) + " must be from 0 to " +
                                     std::to_string(mask.count) + ", the weights of " + mask.shape.string());
}

void mask_scores(const char* op, const Mask& mask, const Tensor& scores) {
  Check(op).exactly({"scores", scores}, DType::f32, mask.shape, "that is the shape of the mask");
}

void mask_apply(const Mask& mask, const Tensor& x, const Tensor& y) {
  const Check check("maskApply");
  check.exactly({"x", x}, DType::f32, mask.shape, "that is the shape of the mask");
  check.exactly({"y", y}, DType::f32, mask.shape, "that is the shape of the mask");
}

Form mask_expand(const Mask& mask) { return plain(mask.shape); }

Form mask_summary() { return plain({3}, DType::u32); }

}  // namespace s2sam::shape
