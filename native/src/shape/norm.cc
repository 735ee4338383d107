#include "s2sam/shape.hpp"
#include "shape/check.hpp"

namespace s2sam::shape {

namespace {

void per_channel(const Check& check, Operand statistic, const Tensor& x) {
  check.exactly(statistic, DType::f32, {x.shape[1]}, describe({"x", x}) + " has that many channels");
}

}  // namespace

void batch_norm_samples(const Tensor& x) {
  if (x.shape.count() > x.shape[1]) return;
  Check("batchNormTrain").fail(Code::shape, describe({"x", x}) + " has one value per channel, which has no variance; use a " +
                                                "larger batch or larger images");
}

NormForms batch_norm(const char* op, const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                     const Tensor& running_mean, const Tensor& running_var, bool relu) {
  const Check check(op);
  check.image({"x", x});
  per_channel(check, {"gamma", gamma}, x);
  per_channel(check, {"beta", beta}, x);
  if (residual) {
    check.image({"residual", residual});
    check.same({"residual", residual}, {"x", x});
    check.same_dtype({"residual", residual}, {"x", x});
  }
  if (static_cast<bool>(running_mean) != static_cast<bool>(running_var)) {
    check.fail(Code::argument, "runningMean and runningVar must be given both or not at all");
  }
  if (running_mean) {
    per_channel(check, {"runningMean", running_mean}, x);
    per_channel(check, {"runningVar", running_var}, x);
  }
  return {activation(x.shape, 1, x.dtype), plain({x.shape[1]}), plain({relu ? ops::passed_bytes(x) : 0}, DType::u8)};
}

Form batch_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& y, const Tensor& passed, const Tensor& gamma,
                         const Tensor& saved_mean, const Tensor& saved_inv_std, const Tensor& dgamma,
                         const Tensor& dbeta) {
  const Check check("batchNormBackward");
  check.image({"x", x});
  check.image({"dy", dy});
  check.same({"dy", dy}, {"x", x});
  check.same_dtype({"dy", dy}, {"x", x});
  check.image({"y", y});
  check.same({"y", y}, {"x", x});
  check.same_dtype({"y", y}, {"x", x});
  if (passed) {
    check.exactly({"passed", passed}, DType::u8, {ops::passed_bytes(x)}, "the forward pass makes it so for " + describe({"x", x}));
  }
  per_channel(check, {"gamma", gamma}, x);
  per_channel(check, {"savedMean", saved_mean}, x);
  per_channel(check, {"savedInvStd", saved_inv_std}, x);
  per_channel(check, {"dgamma", dgamma}, x);
  per_channel(check, {"dbeta", dbeta}, x);
  return activation(x.shape, 1, x.dtype);
}

}  // namespace s2sam::shape
