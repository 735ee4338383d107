#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

float smoothing(const Call& call, int i) {
  const float value = call.real(i, "smoothing");
  if (value < 0 || value >= 1) {
    call.fail(Code::argument, "smoothing is " + std::to_string(value) + "; it must be at least 0 and less than 1");
  }
  return value;
}

Napi::Value softmax_cross_entropy(Call& call) {
  const Tensor& logits = call.tensor(0, "logits");
  const Tensor& labels = call.tensor(1, "labels");
  const float smooth = smoothing(call, 2);
  const auto forms = shape::softmax_cross_entropy(logits, labels);
  Output loss = call.output(forms.first), probabilities = call.output(forms.second);
  ops::softmax_cross_entropy_forward(call.stream(), logits, labels, smooth, loss.tensor, probabilities.tensor);
  return call.pair(std::move(loss), std::move(probabilities));
}

Napi::Value softmax_cross_entropy_backward(Call& call) {
  const Tensor& probabilities = call.tensor(0, "probabilities");
  const Tensor& labels = call.tensor(1, "labels");
  const Tensor& dloss = call.tensor(2, "dloss");
  const float smooth = smoothing(call, 3);
  Output dlogits = call.output(shape::softmax_cross_entropy_backward(probabilities, labels, dloss));
  ops::softmax_cross_entropy_backward(call.stream(), probabilities, labels, dloss, smooth, dlogits.tensor);
  return call.handle(std::move(dlogits));
}

Napi::Value count_correct(Call& call) {
  const Tensor& logits = call.tensor(0, "logits");
  const Tensor& labels = call.tensor(1, "labels");
  const int k = call.small(2, "k", 1);
  Output count = call.output(shape::count_correct(logits, labels, k));
  ops::count_correct(call.stream(), logits, labels, k, count.tensor);
  return call.handle(std::move(count));
}

Napi::Value top_k(Call& call) {
  const Tensor& x = call.tensor(0, "x");
  const int k = call.small(1, "k", 1);
  const auto forms = shape::top_k(x, k);
  Output values = call.output(forms.first), indices = call.output(forms.second);
  ops::top_k(call.stream(), x, k, values.tensor, indices.tensor);
  return call.pair(std::move(values), std::move(indices));
}

constexpr Method methods[] = {
    {"softmaxCrossEntropy", softmax_cross_entropy},
    {"softmaxCrossEntropyBackward", softmax_cross_entropy_backward},
    {"countCorrect", count_correct},
    {"topK", top_k},
};

}  // namespace

Methods loss_methods() { return methods; }

}  // namespace s2sam::addon
