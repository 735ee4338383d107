#include "cuda/conv/product.hpp"

#include "cuda/conv/weights.hpp"

namespace s2sam::conv {

namespace {

/// The weights in the images' type.
const void* weights_of(const Op& op, const Problem& p, const Tensor& w) {
  if (w.dtype == p.images) return w.data;
  const Packed packed{op.scratch(static_cast<std::size_t>(p.o * p.c) * size_of(p.images)), p.images, p.o, p.c};
  pack_weights(op, p, w, packed);
  return packed.data;
}

void multiply(const Cublas& cublas, const Problem& p, const Op& op, const Tensors& t) {
  const std::int64_t pixels = p.pixels_out();
  switch (p.pass) {
    case Pass::forward:
      return cublas.multiply(op, pixels, p.o, p.c, {t.x.data, p.images}, {weights_of(op, p, t.w), p.images, true},
                             p.accumulate, t.y.data, p.images);
    case Pass::data:
      return cublas.multiply(op, pixels, p.c, p.o, {t.y.data, p.images}, {weights_of(op, p, t.w), p.images}, p.accumulate,
                             t.x.data, p.images);
    case Pass::weight: break;
  }
  const Factor dy{t.y.data, p.images, true}, x{t.x.data, p.images};
  if (!p.kept_only) return cublas.multiply(op, p.o, p.c, pixels, dy, x, p.accumulate, t.w.data, DType::f32);
  const Packed gradient{op.scratch_of<float>(p.o * p.c), DType::f32, p.o, p.c};
  cublas.multiply(op, p.o, p.c, pixels, dy, x, false, gradient.data, DType::f32);
  unpack_gradient(op, gradient, p, t);
}

}  // namespace

std::vector<Candidate> product_candidates(const std::shared_ptr<const Cublas>& cublas, const Problem& problem) {
  if (cublas == nullptr || !problem.is_product()) return {};
  const auto make = [cublas, problem]() -> Engine {
    return [cublas, problem](const Op& op, const Tensors& tensors) { multiply(*cublas, problem, op, tensors); };
  };
  return {{"gemm", make}};
}

}  // namespace s2sam::conv
