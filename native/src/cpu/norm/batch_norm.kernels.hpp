#pragma once

#include <cstddef>

#include "cpu/dispatch.hpp"

namespace s2sam {

/// The interior of one plane of an activation: h rows of w pixels of 16 images, rows `row` floats apart.
struct PlaneIn {
  const float* pixel = nullptr;
  std::ptrdiff_t row = 0;
};
struct PlaneOut {
  float* pixel = nullptr;
  std::ptrdiff_t row = 0;
};

/// Per-channel coefficients, one value per lane so that they can be zero in the lanes that pad the batch.
struct LaneCoefficients {
  static constexpr int lanes = 16;

  alignas(64) float mean[lanes];
  /// y = (x - mean) * scale + shift; dx = dz * scale + (x - mean) * slope + shift.
  alignas(64) float scale[lanes];
  alignas(64) float slope[lanes];
  alignas(64) float shift[lanes];
};

struct BatchNormKernels {
  /// Mean over the first `live` lanes and sum of squared deviations from it.
  void (*moments)(PlaneIn x, int h, int w, int live, double* mean, double* deviations);
  /// y = relu?((x - mean) * scale + shift + residual?); indexed by relu and residual.
  void (*forward[2][2])(PlaneIn x, PlaneIn residual, int h, int w, const LaneCoefficients& c, PlaneOut y);
  /// Sums of dz and dz * (x - mean), dz = relu ? (y > 0 ? dy : 0) : dy; indexed by relu.
  void (*backward_sums[2])(PlaneIn dy, PlaneIn x, PlaneIn y, int h, int w, const float* mean, double* sum,
                           double* product);
  /// dx and, if wanted, dresidual = dz; indexed by relu and residual.
  void (*backward[2][2])(PlaneIn dy, PlaneIn x, PlaneIn y, int h, int w, const LaneCoefficients& c, PlaneOut dx,
                         PlaneOut dresidual);
};

S2SAM_KERNEL_TABLE(BatchNormKernels, batch_norm_kernels)

}  // namespace s2sam
