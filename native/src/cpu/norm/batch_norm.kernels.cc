#include "cpu/norm/batch_norm.kernels.hpp"

#include "cpu/vec.hpp"

namespace s2sam::S2SAM_ISA {

namespace {

/// sum[k] += term(pixel)[k] over one row. Two chains, so that an addition need not wait for the one before; each row is
/// summed by itself, so that the rounding error grows with h + w and not with h * w.
template <int K, class Term>
void sum_row(int w, Vec16 (&sum)[K], const Term& term) {
  Vec16 even[K], odd[K];
  for (int k = 0; k < K; ++k) even[k] = odd[k] = Vec16::zero();
  int col = 0;
  for (; col + 1 < w; col += 2) {
    term(col, even);
    term(col + 1, odd);
  }
  if (col < w) term(col, even);
  for (int k = 0; k < K; ++k) sum[k] = sum[k] + (even[k] + odd[k]);
}

/// Deviations are taken from each lane's mean over the first row: near enough to the true mean that the squares lose
/// nothing.
void moments(PlaneIn x, int h, int w, int live, double* mean, double* deviations) {
  Vec16 first[1]{Vec16::zero()};
  sum_row(w, first, [&](int col, Vec16* sum) { sum[0] = sum[0] + Vec16::load(x.pixel + col * lanes); });
  const Vec16 centre = first[0] * Vec16::broadcast(1.0F / static_cast<float>(w));

  Vec16 sums[2]{Vec16::zero(), Vec16::zero()};
  for (int r = 0; r < h; ++r) {
    const float* row = x.pixel + r * x.row;
    sum_row(w, sums, [&](int col, Vec16* sum) {
      const Vec16 d = Vec16::load(row + col * lanes) - centre;
      sum[0] = sum[0] + d;
      sum[1].multiply_add(d, d);
    });
  }

  alignas(64) float c[lanes], s1[lanes], s2[lanes];
  centre.store(c);
  sums[0].store(s1);
  sums[1].store(s2);
  const double pixels = static_cast<double>(h) * w;
  double lane_mean[lanes], total = 0.0, square = 0.0;
  for (int i = 0; i < live; ++i) total += lane_mean[i] = c[i] + s1[i] / pixels;
  *mean = total / live;
  for (int i = 0; i < live; ++i) {
    const double offset = lane_mean[i] - *mean;
    square += s2[i] - s1[i] * (s1[i] / pixels) + pixels * offset * offset;
  }
  *deviations = square;
}

template <bool streams>
void put(const Vec16& value, float* to) {
  if constexpr (streams) value.stream(to);
  else value.store(to);
}

template <bool relu, bool residual, bool streams>
void forward_rows(PlaneIn x, PlaneIn other, int h, int w, const LaneCoefficients& c, PlaneOut y,
                  std::uint16_t* passed) {
  const Vec16 mean = Vec16::load(c.mean), scale = Vec16::load(c.scale), shift = Vec16::load(c.shift);
  for (int r = 0; r < h; ++r) {
    const float* from = x.pixel + r * x.row;
    const float* add = other.pixel + r * other.row;
    float* to = y.pixel + r * y.row;
    for (int col = 0; col < w; ++col) {
      const int i = col * lanes;
      Vec16 value = shift;
      value.multiply_add(Vec16::load(from + i) - mean, scale);
      if constexpr (residual) value = value + Vec16::load(add + i);
      if constexpr (relu) value = rectify(value);
      put<streams>(value, to + i);
      if (relu && passed != nullptr) *passed++ = static_cast<std::uint16_t>(value.positive());
    }
  }
  if constexpr (streams) finish_streaming();
}

template <bool relu, bool residual>
void forward(PlaneIn x, PlaneIn other, int h, int w, const LaneCoefficients& c, PlaneOut y, std::uint16_t* passed) {
  const auto rows = y.streams ? forward_rows<relu, residual, true> : forward_rows<relu, residual, false>;
  rows(x, other, h, w, c, y, passed);
}

/// dz at one pixel.
template <Gate gate>
Vec16 gradient_at(const float* dy, const float* y, const std::uint16_t* passed) {
  const Vec16 dz = Vec16::load(dy);
  if constexpr (gate == Gate::output) return where_positive(Vec16::load(y), dz);
  if constexpr (gate == Gate::bits) return where_set(*passed, dz);
  return dz;
}

double sum_of(const Vec16& v) {
  alignas(64) float lane[lanes];
  v.store(lane);
  double total = 0.0;
  for (float value : lane) total += value;
  return total;
}

template <Gate gate>
void backward_sums(PlaneIn dy, PlaneIn x, PlaneIn y, const std::uint16_t* passed, int h, int w, const float* mean,
                   double* sum, double* product) {
  const Vec16 centre = Vec16::load(mean);
  Vec16 sums[2]{Vec16::zero(), Vec16::zero()};
  for (int r = 0; r < h; ++r) {
    const float* x_row = x.pixel + r * x.row;
    const float* dy_row = dy.pixel + r * dy.row;
    const float* y_row = y.pixel + r * y.row;
    const std::uint16_t* bits = passed + r * w;
    sum_row(w, sums, [&](int col, Vec16* s) {
      const Vec16 dz = gradient_at<gate>(dy_row + col * lanes, y_row + col * lanes, bits + col);
      s[0] = s[0] + dz;
      s[1].multiply_add(dz, Vec16::load(x_row + col * lanes) - centre);
    });
  }
  *sum = sum_of(sums[0]);
  *product = sum_of(sums[1]);
}

template <Gate gate, bool residual, bool streams>
void backward_rows(PlaneIn dy, PlaneIn x, PlaneIn y, const std::uint16_t* passed, int h, int w,
                   const LaneCoefficients& c, PlaneOut dx, PlaneOut dresidual) {
  const Vec16 mean = Vec16::load(c.mean), scale = Vec16::load(c.scale), slope = Vec16::load(c.slope);
  const Vec16 shift = Vec16::load(c.shift);
  for (int r = 0; r < h; ++r) {
    const float* x_row = x.pixel + r * x.row;
    const float* dy_row = dy.pixel + r * dy.row;
    const float* y_row = y.pixel + r * y.row;
    const std::uint16_t* bits = passed + r * w;
    float* dx_row = dx.pixel + r * dx.row;
    float* dresidual_row = dresidual.pixel + r * dresidual.row;
    for (int col = 0; col < w; ++col) {
      const int i = col * lanes;
      const Vec16 dz = gradient_at<gate>(dy_row + i, y_row + i, bits + col);
      Vec16 value = shift;
      value.multiply_add(Vec16::load(x_row + i) - mean, slope);
      value.multiply_add(dz, scale);
      put<streams>(value, dx_row + i);
      if constexpr (residual) put<streams>(dz, dresidual_row + i);
    }
  }
  if constexpr (streams) finish_streaming();
}

template <Gate gate, bool residual>
void backward(PlaneIn dy, PlaneIn x, PlaneIn y, const std::uint16_t* passed, int h, int w, const LaneCoefficients& c,
              PlaneOut dx, PlaneOut dresidual) {
  const auto rows = dx.streams ? backward_rows<gate, residual, true> : backward_rows<gate, residual, false>;
  rows(dy, x, y, passed, h, w, c, dx, dresidual);
}

}  // namespace

const BatchNormKernels batch_norm_kernels{
    .moments = moments,
    .forward = {{forward<false, false>, forward<false, true>}, {forward<true, false>, forward<true, true>}},
    .backward_sums = {backward_sums<Gate::none>, backward_sums<Gate::output>, backward_sums<Gate::bits>},
    .backward = {{backward<Gate::none, false>, backward<Gate::none, true>},
                 {backward<Gate::output, false>, backward<Gate::output, true>},
                 {backward<Gate::bits, false>, backward<Gate::bits, true>}},
};

}  // namespace s2sam::S2SAM_ISA
