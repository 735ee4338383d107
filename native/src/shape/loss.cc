#include "s2sam/shape.hpp"
#include "shape/check.hpp"

namespace s2sam::shape {

namespace {

void classified(const Check& check, Operand scores, const Tensor& labels) {
  check.plain(scores, DType::f32, 2);
  check.exactly({"labels", labels}, DType::i32, {scores.tensor.shape[0]}, describe(scores) + " has that many rows");
}

void at_most_classes(const Check& check, Operand x, std::int64_t k) {
  if (k > x.tensor.shape[1]) {
    check.fail(Code::argument, "k " + std::to_string(k) + " must be from 1 to " + std::to_string(x.tensor.shape[1]) +
                                   ", the columns of " + describe(x));
  }
}

}  // namespace

Pair softmax_cross_entropy(const Tensor& logits, const Tensor& labels) {
  classified(Check("softmaxCrossEntropy"), {"logits", logits}, labels);
  return {plain({1}), plain(logits.shape)};
}

Form softmax_cross_entropy_backward(const Tensor& probabilities, const Tensor& labels, const Tensor& dloss) {
  const Check check("softmaxCrossEntropyBackward");
  classified(check, {"probabilities", probabilities}, labels);
  check.scalar({"dloss", dloss}, DType::f32);
  return plain(probabilities.shape);
}

Form count_correct(const Tensor& logits, const Tensor& labels, std::int64_t k) {
  const Check check("countCorrect");
  classified(check, {"logits", logits}, labels);
  at_most_classes(check, {"logits", logits}, k);
  return plain({1});
}

Pair top_k(const Tensor& x, std::int64_t k) {
  const Check check("topK");
  check.plain({"x", x}, DType::f32, 2);
  at_most_classes(check, {"x", x}, k);
  return {plain({x.shape[0], k}), plain({x.shape[0], k}, DType::i32)};
}

Form augment(const Tensor& images, const Tensor& indices, const Tensor& clock, const Tensor& mean, const Tensor& std,
             const Tensor& mix, DType dtype) {
  const Check check("augment");
  check.plain({"images", images}, DType::u8, 4);
  check.plain({"indices", indices}, DType::i32, 1);
  check.scalar({"clock", clock}, DType::i32);
  const std::string because = describe({"images", images}) + " has that many channels";
  check.exactly({"mean", mean}, DType::f32, {images.shape[1]}, because);
  check.exactly({"std", std}, DType::f32, {images.shape[1]}, because);
  if (mix.data != nullptr) check.exactly({"mix", mix}, DType::f32, {5}, "it holds lambda, x0, y0, x1 and y1");
  const Form y = activation({indices.shape[0], images.shape[1], images.shape[2], images.shape[3]}, 1, dtype);
  check.floating({"y", y});
  check.stored(dtype);
  return y;
}

}  // namespace s2sam::shape
