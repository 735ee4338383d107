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

/// What both forward passes make.
struct Outputs {
  Output y, mean, inv_std, passed;

  Outputs(Call& call, const shape::NormForms& forms)
      : y(call.output(forms.y)),
        mean(call.output(forms.statistics)),
        inv_std(call.output(forms.statistics)),
        passed(forms.passed.shape.count() > 0 ? call.output(forms.passed) : Output{}) {}
};

Napi::Value results(Call& call, Outputs outputs) {
  Napi::Array all = Napi::Array::New(call.env(), 4);
  all[0U] = call.handle(std::move(outputs.y));
  all[1U] = call.handle(std::move(outputs.mean));
  all[2U] = call.handle(std::move(outputs.inv_std));
  all[3U] = call.optional_handle(std::move(outputs.passed));
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
  const auto forms = shape::batch_norm(call.op(), x, gamma, beta, residual, running_mean, running_var, options.relu);
  shape::batch_norm_samples(x);
  Outputs to(call, forms);
  ops::batch_norm_train(call.stream(), x, gamma, beta, residual, running_mean, running_var, options, to.y.tensor,
                        to.mean.tensor, to.inv_std.tensor, to.passed.tensor);
  return results(call, std::move(to));
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
  const auto forms = shape::batch_norm(call.op(), x, gamma, beta, residual, running_mean, running_var, options.relu);
  Outputs to(call, forms);
  ops::batch_norm_eval(call.stream(), x, gamma, beta, residual, running_mean, running_var, options, to.y.tensor,
                       to.mean.tensor, to.inv_std.tensor, to.passed.tensor);
  return results(call, std::move(to));
}

Napi::Value batch_norm_backward(Call& call) {
  const Tensor& dy = call.tensor(0, "dy");
  const Tensor& x = call.tensor(1, "x");
  const Tensor& y = call.tensor(2, "y");
  const Tensor passed = call.optional_tensor(3, "passed");
  const Tensor& gamma = call.tensor(4, "gamma");
  const Tensor& saved_mean = call.tensor(5, "savedMean");
  const Tensor& saved_inv_std = call.tensor(6, "savedInvStd");
  const Tensor& dgamma = call.tensor(7, "dgamma");
  const Tensor& dbeta = call.tensor(8, "dbeta");
  ops::BatchNorm options;
  options.relu = call.boolean(9, "relu");
  const bool training = call.boolean(10, "training");
  const bool accumulate = call.boolean(11, "accumulate");
  const bool want_residual = call.boolean(12, "wantResidual");
  const auto form = shape::batch_norm_backward(dy, x, y, passed, gamma, saved_mean, saved_inv_std, dgamma, dbeta);
  Output dx = call.output(form);
  Output dresidual = want_residual ? call.output(form) : Output{};
  ops::batch_norm_backward(call.stream(), dy, x, y, passed, gamma, saved_mean, saved_inv_std, options, training,
                           accumulate, dx.tensor, dresidual.tensor, dgamma, dbeta);
  Napi::Array both = Napi::Array::New(call.env(), 2);
  both[0U] = call.handle(std::move(dx));
  both[1U] = call.optional_handle(std::move(dresidual));
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
