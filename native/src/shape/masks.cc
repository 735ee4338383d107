#include <set>

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

void mask_ranking(const char* op, const std::vector<ops::MaskRef>& masks, const std::vector<Tensor>& scores,
                  const char* name, std::int64_t amount) {
  const Check check(op);
  if (masks.empty()) check.fail(Code::argument, "masks is empty; give at least one");
  if (masks.size() != scores.size()) {
    check.fail(Code::argument, "got " + std::to_string(masks.size()) + " masks but " + std::to_string(scores.size()) +
                                   " scores; give one tensor of scores for each mask");
  }
  std::int64_t total = 0;
  std::set<const void*> seen;
  for (std::size_t k = 0; k < masks.size(); ++k) {
    const std::string index = std::string("[") + std::to_string(k) + "]";
    check.exactly({("scores" + index).c_str(), scores[k]}, DType::f32, masks[k]->shape,
                  "that is the shape of masks" + index);
    if (!seen.insert(masks[k]->bits.data).second) {
      check.fail(Code::argument, "masks" + index + " is there twice; each mask may be ranked once");
    }
    total += masks[k]->count;
  }
  if (amount <= total) return;
  check.fail(Code::argument, std::string(name) + " " + std::to_string(amount) + " must be from 0 to " +
                                 std::to_string(total) + ", the weights of " +
                                 (masks.size() == 1 ? masks[0]->shape.string() : "all masks"));
}

void mask_scores(const char* op, const Mask& mask, const Tensor& scores) {
  Check(op).exactly({"scores", scores}, DType::f32, mask.shape, "that is the shape of the mask");
}

void mask_alike(const char* op, const char* other_name, const Mask& other, const Mask& mask) {
  if (other.shape == mask.shape) return;
  Check(op).fail(Code::shape, std::string(other_name) + " is a mask over " + other.shape.string() +
                                  ", but must be one over " + mask.shape.string());
}

void mask_apply(const Mask& mask, const Tensor& x, const Tensor& y) {
  const Check check("maskApply");
  check.exactly({"x", x}, DType::f32, mask.shape, "that is the shape of the mask");
  check.exactly({"y", y}, DType::f32, mask.shape, "that is the shape of the mask");
}

Form mask_expand(const Mask& mask) { return plain(mask.shape); }

Form mask_summary() { return plain({3}, DType::u32); }

}  // namespace s2sam::shape
