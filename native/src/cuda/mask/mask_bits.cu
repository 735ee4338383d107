#include "cuda/launch.hpp"
#include "cuda/mask/plans.hpp"
#include "s2sam/mask_bits.hpp"

namespace s2sam {

namespace {

__global__ void fill_kernel(std::uint32_t* bits, std::int64_t count, std::uint32_t word) {
  each_item(mask_words(count), [&](std::int64_t w) { bits[w] = word & valid_bits(w, count); });
}

__global__ void combine_kernel(ops::Combine op, const std::uint32_t* other, std::uint32_t* into, std::int64_t count) {
  each_item(mask_words(count), [&](std::int64_t w) {
    const std::uint32_t theirs = other[w], ours = into[w];
    std::uint32_t word = theirs;
    if (op == ops::Combine::intersect) word = ours & theirs;
    if (op == ops::Combine::unite) word = ours | theirs;
    if (op == ops::Combine::subtract) word = ours & ~theirs;
    into[w] = word & valid_bits(w, count);
  });
}

__global__ void apply_kernel(const std::uint32_t* bits, std::int64_t count, const float* x, float* y) {
  each_item(count, [&](std::int64_t i) { y[i] = is_kept(bits, i) ? x[i] : 0.0F; });
}

__global__ void expand_kernel(const std::uint32_t* bits, std::int64_t count, float* y) {
  each_item(count, [&](std::int64_t i) { y[i] = is_kept(bits, i) ? 1.0F : 0.0F; });
}

void combine(const Op& op, ops::Combine how, const Tensor& words, Mask& into) {
  launch(op, combine_kernel, blocks_for(op, mask_words(into.count)), block_threads, how,
         words.as<const std::uint32_t>(), into.bits.as<std::uint32_t>(), into.count);
  bits_change(op, into);
}

}  // namespace

namespace ops {

void mask_fill(Stream& stream, MaskRef mask, bool keep) {
  stream.submit("maskFill", [&](Op& op) {
    launch(op, fill_kernel, blocks_for(op, mask_words(mask->count)), block_threads, mask->bits.as<std::uint32_t>(),
           mask->count, keep ? 0xFFFFFFFFu : 0u);
    bits_change(op, *mask);
  });
}

void mask_write(Stream& stream, MaskRef mask, Tensor words) {
  stream.submit("maskWrite", [&](Op& op) { combine(op, Combine::copy, words, *mask); });
}

void mask_combine(Stream& stream, Combine how, MaskRef other, MaskRef into) {
  stream.submit("maskCombine", [&](Op& op) { combine(op, how, other->bits, *into); });
}

void mask_apply(Stream& stream, MaskRef mask, Tensor x, Tensor y) {
  stream.submit("maskApply", [&](Op& op) {
    launch(op, apply_kernel, blocks_for(op, mask->count), block_threads, mask->bits.as<const std::uint32_t>(),
           mask->count, x.as<const float>(), y.as<float>());
  });
}

void mask_expand(Stream& stream, MaskRef mask, Tensor y) {
  stream.submit("maskExpand", [&](Op& op) {
    launch(op, expand_kernel, blocks_for(op, mask->count), block_threads, mask->bits.as<const std::uint32_t>(),
           mask->count, y.as<float>());
  });
}

}  // namespace ops

}  // namespace s2sam
