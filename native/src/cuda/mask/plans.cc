#include "cuda/mask/plans.hpp"

#include <memory>

namespace s2sam {

void MaskPlansDeleter::operator()(MaskPlans* plans) const { std::default_delete<MaskPlans>()(plans); }

MaskPlans& plans_of(Mask& mask) {
  if (!mask.plans) mask.plans.reset(std::make_unique<MaskPlans>().release());
  return *mask.plans;
}

void bits_change(const Op& op, Mask& mask) {
  ++mask.version;
  if (op.stream().capturing()) plans_of(mask).edited_by_recording = true;
}

}  // namespace s2sam
