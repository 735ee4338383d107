#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "addon/call.hpp"

namespace s2sam::addon {

namespace {

std::int64_t amount(const Call& call, int i, const char* name, const Mask& mask) {
  const std::int64_t value = call.integer(i, name, 0, HandleBits::largest);
  shape::mask_amount(call.op(), name, mask, value);
  return value;
}

Napi::Value create_mask(Call& call) {
  const TensorRecord& bits = call.record(0, "bits");
  auto mask = std::make_shared<Mask>();
  mask->shape = call.shape(1, "shape");
  shape::create_mask(bits.tensor, mask->shape);
  mask->bits = bits.tensor;
  mask->count = mask->shape.count();
  return call.add(call.addon().masks, MaskRecord{bits.device, std::move(mask), bits.storage});
}

Napi::Value dispose_mask(Call& call) {
  HandleBits handle;
  if (call.alive(call.addon().masks, 0, handle)) call.addon().masks.remove(handle);
  return call.undefined();
}

Napi::Value mask_fill(Call& call) {
  const ops::MaskRef& mask = call.mask(0, "mask");
  ops::mask_fill(call.stream(), mask, call.boolean(1, "keep"));
  return call.undefined();
}

Napi::Value mask_write(Call& call) {
  const ops::MaskRef& mask = call.mask(0, "mask");
  call.not_while_capturing("a recorded step would repeat these bits for ever; write before captureBegin or between replays");
  const Napi::TypedArray words = call.array(1, "words");
  if (words.TypedArrayType() != napi_uint32_array) call.fail(Code::dtype, "words must be a Uint32Array");
  shape::mask_words(*mask, static_cast<std::int64_t>(words.ElementLength()));
  const auto* bytes = static_cast<const std::uint8_t*>(words.ArrayBuffer().Data()) + words.ByteOffset();
  const std::shared_ptr<std::uint8_t[]> staging = std::make_shared_for_overwrite<std::uint8_t[]>(words.ByteLength());
  std::memcpy(staging.get(), bytes, words.ByteLength());
  const Output copy = call.output(shape::plain(mask->bits.shape, DType::u32));
  backend::upload(call.stream(), std::shared_ptr<const void>(staging, staging.get()), copy.tensor);
  ops::mask_write(call.stream(), mask, copy.tensor);
  return call.undefined();
}

Napi::Value mask_random(Call& call) {
  const ops::MaskRef& mask = call.mask(0, "mask");
  ops::mask_random(call.stream(), mask, amount(call, 1, "keep", *mask), call.word(2, "key0"), call.word(3, "key1"));
  return call.undefined();
}

using ByScores = void (*)(Stream&, std::vector<ops::Scored>, std::int64_t);

Napi::Value by_scores(Call& call, const char* amount_name, ByScores op) {
  const std::vector<ops::MaskRef> masks = call.masks(0, "masks");
  const std::vector<Tensor> scores = call.tensors(1, "scores");
  const std::int64_t many = call.integer(2, amount_name, 0, HandleBits::largest);
  shape::mask_ranking(call.op(), masks, scores, amount_name, many);
  std::vector<ops::Scored> scored;
  for (std::size_t k = 0; k < masks.size(); ++k) scored.push_back({masks[k], scores[k]});
  op(call.stream(), std::move(scored), many);
  return call.undefined();
}

Napi::Value mask_top_k(Call& call) { return by_scores(call, "keep", ops::mask_top_k); }
Napi::Value mask_drop(Call& call) { return by_scores(call, "drop", ops::mask_drop); }
Napi::Value mask_grow(Call& call) { return by_scores(call, "grow", ops::mask_grow); }

Napi::Value mask_drop_below(Call& call) {
  const ops::MaskRef& mask = call.mask(0, "mask");
  const Tensor& scores = call.tensor(1, "scores");
  const float threshold = call.real(2, "threshold");
  const std::int64_t at_least = amount(call, 3, "atLeast", *mask);
  shape::mask_scores(call.op(), *mask, scores);
  ops::mask_drop_below(call.stream(), mask, scores, threshold, at_least);
  return call.undefined();
}

Napi::Value mask_grow_random(Call& call) {
  const ops::MaskRef& mask = call.mask(0, "mask");
  const ops::MaskRef except = call.optional_mask(1, "except");
  if (except != nullptr) shape::mask_alike(call.op(), "except", *except, *mask);
  ops::mask_grow_random(call.stream(), mask, except, amount(call, 2, "grow", *mask), call.word(3, "key0"),
                        call.word(4, "key1"));
  return call.undefined();
}

Napi::Value mask_combine(Call& call) {
  const auto op = static_cast<ops::Combine>(call.small(0, "op", 0, static_cast<int>(ops::Combine::copy)));
  const ops::MaskRef& other = call.mask(1, "other");
  const ops::MaskRef& into = call.mask(2, "into");
  shape::mask_alike(call.op(), "other", *other, *into);
  ops::mask_combine(call.stream(), op, other, into);
  return call.undefined();
}

Napi::Value mask_apply(Call& call) {
  const ops::MaskRef& mask = call.mask(0, "mask");
  const Tensor& x = call.tensor(1, "x");
  const Tensor& y = call.tensor(2, "y");
  shape::mask_apply(*mask, x, y);
  ops::mask_apply(call.stream(), mask, x, y);
  return call.undefined();
}

Napi::Value mask_expand(Call& call) {
  const ops::MaskRef& mask = call.mask(0, "mask");
  Output y = call.output(shape::mask_expand(*mask));
  ops::mask_expand(call.stream(), mask, y.tensor);
  return call.handle(std::move(y));
}

Napi::Value mask_summary(Call& call) {
  const ops::MaskRef& mask = call.mask(0, "mask");
  Output summary = call.output(shape::mask_summary());
  ops::mask_summary(call.stream(), mask, summary.tensor);
  return call.handle(std::move(summary));
}

constexpr Method methods[] = {
    {"createMask", create_mask},
    {"disposeMask", dispose_mask},
    {"maskFill", mask_fill},
    {"maskWrite", mask_write},
    {"maskRandom", mask_random},
    {"maskTopK", mask_top_k},
    {"maskDrop", mask_drop},
    {"maskGrow", mask_grow},
    {"maskDropBelow", mask_drop_below},
    {"maskGrowRandom", mask_grow_random},
    {"maskCombine", mask_combine},
    {"maskApply", mask_apply},
    {"maskExpand", mask_expand},
    {"maskSummary", mask_summary},
};

}  // namespace

Methods mask_methods() { return methods; }

}  // namespace s2sam::addon
