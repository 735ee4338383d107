#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

float epsilon(const Call& call, int i) {
  const float eps = call.real(i, "eps");
  if (!(eps > 0)) call.fail(Code::argument, "eps is " + std::to_string(eps) + "; it must be more than 0");
  return eps;
}

float momentum(const Call& call, int i) {
  const float value = call.real(i, "momentum");
  if (value < 0 || value > 1) {
    call.fail(Code::argument, "momentum is " + std::to_string(value) + "; it must be from 0 to 1");
  }
  return value;
}

Napi::Value results(Call& call, Output y, Output mean, Output inv_std) {
  Napi::Array all = Napi::Array::New(call.env(), 3);
  all[0U] = call.handle(std::move(y));
  all[1U] = call.handle(std::move(mean));
  all[2U] = call.handle(std::move(inv_std));
  return all;
}

Napi::Value batch_norm_train(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const Tensor& gamma = call.tensor(1, "gamma");
  const Tensor& beta = call.tensor(2, "beta");
  const Tensor residual = call.optional_tensor(3, "residual");
  const Tensor running_mean = call.optional_tensor(4, "runningMean");
  const Tensor running_var = call.optional_tensor(5, "runningVar");
  const ops::BatchNorm options{epsilon(call, 6), momentum(call, 7), call.boolean(8, "relu")};
  const auto forms = shape::batch_norm(call.op(), x, gamma, beta, residual, running_mean, running_var);
  shape::batch_norm_samples(x);
  Output y = call.output(forms.y), mean = call.output(forms.statistics), inv_std = call.output(forms.statistics);
  ops::batch_norm_train(call.stream(), x, gamma, beta, residual, running_mean, running_var, options, y.tensor,
                        mean.tensor, inv_std.tensor);
  return results(call, std::move(y), std::move(mean), std::move(inv_std));
}

Napi::Value batch_norm_eval(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const Tensor& gamma = call.tensor(1, "gamma");
  const Tensor& beta = call.tensor(2, "beta");
  const Tensor residual = call.optional_tensor(3, "residual");
  const Tensor& running_mean = call.tensor(4, "runningMean");
  const Tensor& running_var = call.tensor(5, "runningVar");
  ops::BatchNorm options;
  options.eps = epsilon(call, 6);
  options.relu = call.boolean(7, "relu");
  const auto forms = shape::batch_norm(call.op(), x, gamma, beta, residual, running_mean, running_var);
  Output y = call.output(forms.y), mean = call.output(forms.statistics), inv_std = call.output(forms.statistics);
  ops::batch_norm_eval(call.stream(), x, gamma, beta, residual, running_mean, running_var, options, y.tensor,
                       mean.tensor, inv_std.tensor);
  return results(call, std::move(y), std::move(mean), std::move(inv_std));
}

Napi::Value batch_norm_backward(Call& call) {
  const Tensor& dy = call.tensor(0, "dy");
  const Tensor& x = call.tensor(1, "x");
  const Tensor& y = call.tensor(2, "y");
  const Tensor& gamma = call.tensor(3, "gamma");
  const Tensor& saved_mean = call.tensor(4, "savedMean");
  const Tensor& saved_inv_std = call.tensor(5, "savedInvStd");
  const Tensor& dgamma = call.tensor(6, "dgamma");
  const Tensor& dbeta = call.tensor(7, "dbeta");
  ops::BatchNorm options;
  options.relu = call.boolean(8, "relu");
  const bool training = call.boolean(9, "training");
  const bool accumulate = call.boolean(10, "accumulate");
  const bool want_residual = call.boolean(11, "wantResidual");
  const auto form = shape::batch_norm_backward(dy, x, y, gamma, saved_mean, saved_inv_std, dgamma, dbeta);
  Output dx = call.output(form);
  Output dresidual = want_residual ? call.output(form) : Output{};
  ops::batch_norm_backward(call.stream(), dy, x, y, gamma, saved_mean, saved_inv_std, options, training, accumulate,
                           dx.tensor, dresidual.tensor, dgamma, dbeta);
  Napi::Array both = Napi::Array::New(call.env(), 2);
  both[0U] = call.handle(std::move(dx));
  both[1U] = want_residual ? call.handle(std::move(dresidual)) : Napi::Number::New(call.env(), 0);
  return both;
}

constexpr Method methods[] = {
    {"batchNormTrain", batch_norm_train},
    {"batchNormEval", batch_norm_eval},
    {"batchNormBackward", batch_norm_backward},
};

}  // namespace

Methods norm_methods() { return methods; }

}  // namespace s2sam::addon
