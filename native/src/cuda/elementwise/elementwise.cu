#include "cuda/elementwise/map.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

// A NaN operand gives NaN in all of these, as in PyTorch.
struct Add {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Sub {
  __device__ float operator()(float a, float b) const { return a - b; }
};
struct Mul {
  __device__ float operator()(float a, float b) const { return a * b; }
};
struct Div {
  __device__ float operator()(float a, float b) const { return a / b; }
};
struct Maximum {
  __device__ float operator()(float a, float b) const { return a > b || a != a ? a : b; }
};
struct Relu {
  __device__ float operator()(float x) const { return x < 0.0F ? 0.0F : x; }
};
struct Exp {
  __device__ float operator()(float x) const { return expf(x); }
};
struct Log {
  __device__ float operator()(float x) const { return logf(x); }
};
struct Sqrt {
  __device__ float operator()(float x) const { return sqrtf(x); }
};
struct Abs {
  __device__ float operator()(float x) const { return fabsf(x); }
};
struct Square {
  __device__ float operator()(float x) const { return x * x; }
};

struct Affine {
  float scale, shift;
  __device__ float operator()(float x) const { return scale * x + shift; }
};
struct AddScaled {
  float scale;
  __device__ float operator()(float x, float y) const { return y + scale * x; }
};
struct PassPositive {
  __device__ float operator()(float dy, float y) const { return y > 0.0F ? dy : 0.0F; }
};
struct ScaleBy {
  const float* scalar;
  __device__ float operator()(float x) const { return x * *scalar; }
};
struct Lerp {
  const float* weight;
  __device__ float operator()(float x, float y) const {
    const float share = *weight;
    return share < 0.5F ? y + share * (x - y) : x - (1.0F - share) * (x - y);
  }
};
struct Expand {
  const float* scalar;
  float factor;
  __device__ float operator()() const { return *scalar * factor; }
};

template <class F>
void map_one(const Op& op, const F& f, const Tensor& x, const Tensor& y) {
  op.count({.bytes = bytes_of(x, y.data == x.data ? Tensor{} : y)});
  with_float_type(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    map<T>(op, f, y, x.as<const T>());
  });
}

template <class F>
void map_two(const Op& op, const F& f, const Tensor& a, const Tensor& b, const Tensor& y) {
  op.count({.bytes = bytes_of(a, b, y.data == a.data || y.data == b.data ? Tensor{} : y)});
  with_float_type(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    map<T>(op, f, y, a.as<const T>(), b.as<const T>());
  });
}

}  // namespace

void binary(Stream& stream, Binary what, Tensor a, Tensor b, Tensor y) {
  stream.submit("binary", [&](const Op& op) {
    switch (what) {
      case Binary::add: return map_two(op, Add{}, a, b, y);
      case Binary::sub: return map_two(op, Sub{}, a, b, y);
      case Binary::mul: return map_two(op, Mul{}, a, b, y);
      case Binary::div: return map_two(op, Div{}, a, b, y);
      case Binary::maximum: return map_two(op, Maximum{}, a, b, y);
    }
  });
}

void unary(Stream& stream, Unary what, Tensor x, Tensor y) {
  stream.submit("unary", [&](const Op& op) {
    switch (what) {
      case Unary::relu: return map_one(op, Relu{}, x, y);
      case Unary::exp: return map_one(op, Exp{}, x, y);
      case Unary::log: return map_one(op, Log{}, x, y);
      case Unary::sqrt: return map_one(op, Sqrt{}, x, y);
      case Unary::abs: return map_one(op, Abs{}, x, y);
      case Unary::square: return map_one(op, Square{}, x, y);
    }
  });
}

void affine(Stream& stream, Tensor x, float scale, float shift, Tensor y) {
  stream.submit("affine", [&](const Op& op) { map_one(op, Affine{scale, shift}, x, y); });
}

void add_into(Stream& stream, Tensor x, float scale, Tensor y) {
  stream.submit("addInto", [&](const Op& op) { map_two(op, AddScaled{scale}, x, y, y); });
}

void relu_backward(Stream& stream, Tensor dy, Tensor y, Tensor dx) {
  stream.submit("reluBackward", [&](const Op& op) { map_two(op, PassPositive{}, dy, y, dx); });
}

void scale_by(Stream& stream, Tensor x, Tensor scalar, Tensor y) {
  stream.submit("scaleBy", [&](const Op& op) { map_one(op, ScaleBy{scalar.as<const float>()}, x, y); });
}

void lerp_into(Stream& stream, Tensor x, Tensor weight, Tensor y) {
  stream.submit("lerpInto", [&](const Op& op) { map_two(op, Lerp{weight.as<const float>()}, x, y, y); });
}

void expand(Stream& stream, Tensor scalar, float factor, Tensor y) {
  stream.submit("expand", [&](const Op& op) {
    with_float_type(y.dtype, [&](auto zero) {
      map<decltype(zero)>(op, Expand{scalar.as<const float>(), factor}, y);
    });
  });
}

}  // namespace s2sam::ops
