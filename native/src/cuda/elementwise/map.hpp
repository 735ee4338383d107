#pragma once

#include "cuda/chunk.hpp"
#include "cuda/launch.hpp"

/// y = f(x...) element by element; for .cu files alone.
namespace s2sam {

/// y[i] = f(x[i]...) for elements of one type, computed in f32; f is an object that can be copied to the device. y may
/// be one of x.
template <class T, class F, class... X>
__global__ void map_kernel(F f, Span span, T* y, const X*... x) {
  each_item(span.chunks(), [&](std::int64_t i) {
    Chunk<T> out;
    const auto combine = [&](const auto&... in) {
      for (int k = 0; k < chunk_size; ++k) out.set(k, f(in.at(k)...));
    };
    combine(span.load(x, i)...);
    span.store(out, y, i);
  });
}

/// The same with tensors of one shape and format; those of x may have other floating-point types than y.
template <class T, class F, class... X>
void map(const Op& op, const F& f, const Tensor& y, const X*... x) {
  const Span span{y.shape.count(), is_aligned(y.data) && (is_aligned(x) && ...)};
  launch(op, map_kernel<T, F, X...>, blocks_for(op, span.chunks()), block_threads, f, span, y.as<T>(), x...);
}

}  // namespace s2sam
