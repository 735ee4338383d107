#include "cuda/chunk.hpp"
#include "cuda/launch.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

template <class T>
__global__ void fill_kernel(Span span, T value, T* y) {
  Chunk<T> chunk;
  for (T& element : chunk.value) element = value;
  each_item(span.chunks(), [&](std::int64_t i) { span.store(chunk, y, i); });
}

template <class T>
void fill_with(const Op& op, T value, const Tensor& y) {
  const Span span{y.shape.count(), is_aligned(y.data)};
  launch(op, fill_kernel<T>, blocks_for(op, span.chunks()), block_threads, span, value, y.as<T>());
}

}  // namespace

void fill(Stream& stream, Tensor y, double value) {
  stream.submit("fill", [&](const Op& op) {
    op.count({.bytes = bytes_of(y)});
    switch (y.dtype) {
      case DType::f32: return fill_with(op, static_cast<float>(value), y);
      case DType::i32: return fill_with(op, static_cast<std::int32_t>(value), y);
      case DType::u32: return fill_with(op, static_cast<std::uint32_t>(value), y);
      case DType::u8: return fill_with(op, static_cast<std::uint8_t>(value), y);
      case DType::f16: return fill_with(op, from_float<f16>(static_cast<float>(value)), y);
      case DType::bf16: return fill_with(op, from_float<bf16>(static_cast<float>(value)), y);
    }
  });
}

}  // namespace s2sam::ops
