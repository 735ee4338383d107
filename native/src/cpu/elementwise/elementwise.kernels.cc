#include "cpu/elementwise/elementwise.kernels.hpp"

#include "cpu/vec.hpp"

namespace s2sam::S2SAM_ISA {

namespace {

// Each loop is one the compiler vectorises; ivdep because an input may be the output itself, never shifted against it.

template <class Op>
void binary_row(const float* a, const float* b, float* y, std::ptrdiff_t count) {
#pragma GCC ivdep
  for (std::ptrdiff_t i = 0; i < count; ++i) y[i] = Op::of(a[i], b[i]);
}

template <class Op>
void unary_row(const float* x, float* y, std::ptrdiff_t count) {
#pragma GCC ivdep
  for (std::ptrdiff_t i = 0; i < count; ++i) y[i] = Op::of(x[i]);
}

// A NaN operand gives NaN in all of these, as in PyTorch.
struct Add { static float of(float a, float b) { return a + b; } };
struct Sub { static float of(float a, float b) { return a - b; } };
struct Mul { static float of(float a, float b) { return a * b; } };
struct Div { static float of(float a, float b) { return a / b; } };
struct Maximum { static float of(float a, float b) { return a > b || a != a ? a : b; } };
struct Relu { static float of(float x) { return x < 0.0F ? 0.0F : x; } };
struct Exp { static float of(float x) { return __builtin_expf(x); } };
struct Log { static float of(float x) { return __builtin_logf(x); } };
struct Sqrt { static float of(float x) { return __builtin_sqrtf(x); } };
struct Abs { static float of(float x) { return __builtin_fabsf(x); } };
struct Square { static float of(float x) { return x * x; } };

void scale(const float* x, float factor, float* y, std::ptrdiff_t count) {
#pragma GCC ivdep
  for (std::ptrdiff_t i = 0; i < count; ++i) y[i] = x[i] * factor;
}

void affine(const float* x, float scale, float shift, float* y, std::ptrdiff_t count) {
#pragma GCC ivdep
  for (std::ptrdiff_t i = 0; i < count; ++i) y[i] = scale * x[i] + shift;
}

void add_into(const float* x, float scale, float* y, std::ptrdiff_t count) {
#pragma GCC ivdep
  for (std::ptrdiff_t i = 0; i < count; ++i) y[i] += scale * x[i];
}

void lerp_into(const float* x, float weight, float* y, std::ptrdiff_t count) {
  if (weight < 0.5F) {
#pragma GCC ivdep
    for (std::ptrdiff_t i = 0; i < count; ++i) y[i] += weight * (x[i] - y[i]);
    return;
  }
#pragma GCC ivdep
  for (std::ptrdiff_t i = 0; i < count; ++i) y[i] = x[i] - (1.0F - weight) * (x[i] - y[i]);
}

void relu_backward(const float* dy, const float* y, float* dx, std::ptrdiff_t count) {
#pragma GCC ivdep
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const float value = dy[i];  // read in any case, so that the loop needs no masked load
    dx[i] = y[i] > 0.0F ? value : 0.0F;
  }
}

}  // namespace

const ElementwiseKernels elementwise_kernels{
    .add = binary_row<Add>,
    .sub = binary_row<Sub>,
    .mul = binary_row<Mul>,
    .div = binary_row<Div>,
    .maximum = binary_row<Maximum>,
    .relu = unary_row<Relu>,
    .exp = unary_row<Exp>,
    .log = unary_row<Log>,
    .sqrt = unary_row<Sqrt>,
    .abs = unary_row<Abs>,
    .square = unary_row<Square>,
    .scale = scale,
    .affine = affine,
    .add_into = add_into,
    .lerp_into = lerp_into,
    .relu_backward = relu_backward,
};

}  // namespace s2sam::S2SAM_ISA
