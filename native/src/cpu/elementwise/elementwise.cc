#include <algorithm>

#include "cpu/elementwise/elementwise.kernels.hpp"
#include "cpu/elementwise/map_rows.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

BinaryRow row_of(const ElementwiseKernels& kernels, Binary op) {
  switch (op) {
    case Binary::add: return kernels.add;
    case Binary::sub: return kernels.sub;
    case Binary::mul: return kernels.mul;
    case Binary::div: return kernels.div;
    case Binary::maximum: break;
  }
  return kernels.maximum;
}

UnaryRow row_of(const ElementwiseKernels& kernels, Unary op) {
  switch (op) {
    case Unary::relu: return kernels.relu;
    case Unary::exp: return kernels.exp;
    case Unary::log: return kernels.log;
    case Unary::sqrt: return kernels.sqrt;
    case Unary::abs: return kernels.abs;
    case Unary::square: break;
  }
  return kernels.square;
}

template <class T>
void fill_plain(Context& context, const Tensor& y, T value) {
  parallel_chunks(context, y.shape.count(), [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t end) {
    std::fill(y.as<T>() + begin, y.as<T>() + end, value);
  });
}

void fill_f32(Context& context, const Tensor& y, float value) {
  map_rows<0>(context, {}, y,
              [&](float* to, const float* const*, std::ptrdiff_t count) { std::fill_n(to, count, value); });
}

}  // namespace

void fill(Stream& stream, Tensor y, double value) {
  stream.submit("fill", [=](Context& context) {
    switch (y.dtype) {
      case DType::f32: return fill_f32(context, y, static_cast<float>(value));
      case DType::i32: return fill_plain(context, y, static_cast<std::int32_t>(value));
      case DType::u32: return fill_plain(context, y, static_cast<std::uint32_t>(value));
      case DType::u8: return fill_plain(context, y, static_cast<std::uint8_t>(value));
      case DType::f16:
      case DType::bf16: return;  // never made here, see stores()
    }
  });
}

void binary(Stream& stream, Binary op, Tensor a, Tensor b, Tensor y) {
  stream.submit("binary", [=](Context& context) {
    const BinaryRow row = row_of(elementwise_kernels_for(context.isa()), op);
    map_rows<2>(context, {a, b}, y, [&](float* to, const float* const* from, std::ptrdiff_t count) {
      row(from[0], from[1], to, count);
    });
  });
}

void unary(Stream& stream, Unary op, Tensor x, Tensor y) {
  stream.submit("unary", [=](Context& context) {
    const UnaryRow row = row_of(elementwise_kernels_for(context.isa()), op);
    map_rows<1>(context, {x}, y,
                [&](float* to, const float* const* from, std::ptrdiff_t count) { row(from[0], to, count); });
  });
}

void affine(Stream& stream, Tensor x, float scale, float shift, Tensor y) {
  stream.submit("affine", [=](Context& context) {
    const auto row = elementwise_kernels_for(context.isa()).affine;
    map_rows<1>(context, {x}, y, [&](float* to, const float* const* from, std::ptrdiff_t count) {
      row(from[0], scale, shift, to, count);
    });
  });
}

void add_into(Stream& stream, Tensor x, float scale, Tensor y) {
  stream.submit("addInto", [=](Context& context) {
    const auto row = elementwise_kernels_for(context.isa()).add_into;
    map_rows<1>(context, {x}, y, [&](float* to, const float* const* from, std::ptrdiff_t count) {
      row(from[0], scale, to, count);
    });
  });
}

void relu_backward(Stream& stream, Tensor dy, Tensor y, Tensor dx) {
  stream.submit("reluBackward", [=](Context& context) {
    const auto row = elementwise_kernels_for(context.isa()).relu_backward;
    map_rows<2>(context, {dy, y}, dx, [&](float* to, const float* const* from, std::ptrdiff_t count) {
      row(from[0], from[1], to, count);
    });
  });
}

void scale_by(Stream& stream, Tensor x, Tensor scalar, Tensor y) {
  stream.submit("scaleBy", [=](Context& context) {
    const auto row = elementwise_kernels_for(context.isa()).scale;
    const float factor = *scalar.as<const float>();
    map_rows<1>(context, {x}, y,
                [&](float* to, const float* const* from, std::ptrdiff_t count) { row(from[0], factor, to, count); });
  });
}

void lerp_into(Stream& stream, Tensor x, Tensor weight, Tensor y) {
  stream.submit("lerpInto", [=](Context& context) {
    const auto row = elementwise_kernels_for(context.isa()).lerp_into;
    const float share = *weight.as<const float>();
    map_rows<1>(context, {x}, y,
                [&](float* to, const float* const* from, std::ptrdiff_t count) { row(from[0], share, to, count); });
  });
}

void expand(Stream& stream, Tensor scalar, float factor, Tensor y) {
  stream.submit("expand", [=](Context& context) { fill_f32(context, y, *scalar.as<const float>() * factor); });
}

}  // namespace s2sam::ops
