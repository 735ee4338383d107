#include <cmath>
#include <limits>

#include "cpu/activation.hpp"
#include "cpu/chunks.hpp"
#include "s2sam/ops.hpp"

namespace s2sam::ops {

namespace {

constexpr int lanes = ActivationLayout::lanes;

// How each reduction starts, takes an element and joins two results.
struct Sum {
  static constexpr double start = 0.0;
  static double take(double total, float x) { return total + x; }
  static double join(double a, double b) { return a + b; }
};
struct SumSquares : Sum {
  static double take(double total, float x) { return total + static_cast<double>(x) * x; }
};
struct CountNonzero : Sum {
  static double take(double total, float x) { return total + (x != 0.0F ? 1.0 : 0.0); }
};
// NaN wins, as in PyTorch.
struct Max {
  static constexpr double start = -std::numeric_limits<double>::infinity();
  static double take(double best, float x) { return join(best, x); }
  static double join(double a, double b) { return b > a || b != b ? b : a; }
};
struct Min {
  static constexpr double start = std::numeric_limits<double>::infinity();
  static double take(double best, float x) { return join(best, x); }
  static double join(double a, double b) { return b < a || b != b ? b : a; }
};

/// Sixteen results side by side, so that the compiler can vectorise without changing the order.
template <class Op>
class Lanes {
 public:
  Lanes() {
    for (double& value : lane_) value = Op::start;
  }
  void take(const float* x, int live) {
    for (int i = 0; i < live; ++i) lane_[i] = Op::take(lane_[i], x[i]);
  }
  void take(const float* x) { take(x, lanes); }
  double join() const {
    double total = Op::start;
    for (double value : lane_) total = Op::join(total, value);
    return total;
  }

 private:
  double lane_[lanes];
};

template <class Op>
double reduce_run(const float* x, std::ptrdiff_t count) {
  Lanes<Op> all;
  std::ptrdiff_t i = 0;
  for (; i + lanes <= count; i += lanes) all.take(x + i);
  all.take(x + i, static_cast<int>(count - i));
  return all.join();
}

template <class Op>
double reduce_plane(const ActivationLayout& layout, const float* data, std::int64_t block, std::int64_t channel) {
  Lanes<Op> all;
  const int live = layout.live_lanes(block);
  for (std::int64_t r = 0; r < layout.h; ++r) {
    const float* row = data + layout.at(block, channel, r);
    for (std::int64_t col = 0; col < layout.w; ++col) {
      live == lanes ? all.take(row + col * lanes) : all.take(row + col * lanes, live);
    }
  }
  return all.join();
}

/// One partial result per chunk or plane, joined in their order.
template <class Op>
double reduce_all(Context& context, const Tensor& x) {
  const auto* data = x.as<const float>();
  std::ptrdiff_t parts = 0;
  double* partial = nullptr;
  const auto partials = [&](std::int64_t count) {
    parts = count;
    partial = static_cast<double*>(context.scratch(static_cast<std::size_t>(count) * sizeof(double)));
  };
  if (x.format == Format::plain) {
    partials(chunk_count(x.shape.count()));
    parallel_chunks(context, x.shape.count(), [&](std::ptrdiff_t chunk, std::ptrdiff_t begin, std::ptrdiff_t end) {
      partial[chunk] = reduce_run<Op>(data + begin, end - begin);
    });
  } else {
    const ActivationLayout layout(x);
    partials(layout.blocks * layout.c);
    parallel_planes(context, layout, [&](std::int64_t block, std::int64_t channel) {
      partial[block * layout.c + channel] = reduce_plane<Op>(layout, data, block, channel);
    });
  }
  double total = Op::start;
  for (std::ptrdiff_t i = 0; i < parts; ++i) total = Op::join(total, partial[i]);
  return total;
}

double reduce_all(Context& context, Reduce op, const Tensor& x) {
  switch (op) {
    case Reduce::sum: return reduce_all<Sum>(context, x);
    case Reduce::mean: return reduce_all<Sum>(context, x) / static_cast<double>(x.shape.count());
    case Reduce::max: return reduce_all<Max>(context, x);
    case Reduce::min: return reduce_all<Min>(context, x);
    case Reduce::sum_squares: return reduce_all<SumSquares>(context, x);
    case Reduce::count_nonzero: break;
  }
  return reduce_all<CountNonzero>(context, x);
}

template <class Op>
void reduce_each_row(Context& context, const Tensor& x, float divisor, float* y) {
  const std::int64_t rows = x.shape[0], size = x.shape.count() / rows;
  parallel_items(context, rows, size, [&](std::ptrdiff_t row) {
    y[row] = static_cast<float>(reduce_run<Op>(x.as<const float>() + row * size, size) / divisor);
  });
}

void reduce_each_row(Context& context, Reduce op, const Tensor& x, float* y) {
  switch (op) {
    case Reduce::sum: return reduce_each_row<Sum>(context, x, 1.0F, y);
    case Reduce::mean: return reduce_each_row<Sum>(context, x, static_cast<float>(x.shape.count() / x.shape[0]), y);
    case Reduce::max: return reduce_each_row<Max>(context, x, 1.0F, y);
    case Reduce::min: return reduce_each_row<Min>(context, x, 1.0F, y);
    case Reduce::sum_squares: return reduce_each_row<SumSquares>(context, x, 1.0F, y);
    case Reduce::count_nonzero: break;
  }
  reduce_each_row<CountNonzero>(context, x, 1.0F, y);
}

}  // namespace

void reduce_rows(Stream& stream, Reduce op, Tensor x, Tensor y) {
  stream.submit("reduceRows", [=](Context& context) { reduce_each_row(context, op, x, y.as<float>()); });
}

void reduce(Stream& stream, Reduce op, Tensor x, Tensor y) {
  stream.submit("reduce", [=](Context& context) { *y.as<float>() = static_cast<float>(reduce_all(context, op, x)); });
}

}  // namespace s2sam::ops
