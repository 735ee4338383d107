#pragma once

#include <cstddef>
#include <cstdint>

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
  bool streams = false;  ///< to be written past the caches
};

/// What tells where the ReLU let a value pass: nothing (there is none), its output, or a bit for each image.
enum class Gate : int { none, output, bits };

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
  /// y = relu?((x - mean) * scale + shift + residual?); indexed by relu and residual. passed, where it is not null: 16 bits
  /// for each pixel, which of its images the ReLU let pass.
  void (*forward[2][2])(PlaneIn x, PlaneIn residual, int h, int w, const LaneCoefficients& c, PlaneOut y,
                        std::uint16_t* passed);
  /// Sums of dz and dz * (x - mean), dz being dy where the ReLU let y pass; indexed by Gate.
  void (*backward_sums[3])(PlaneIn dy, PlaneIn x, PlaneIn y, const std::uint16_t* passed, int h, int w,
                           const float* mean, double* sum, double* product);
  /// dx and, if wanted, dresidual = dz; indexed by Gate and residual.
  void (*backward[3][2])(PlaneIn dy, PlaneIn x, PlaneIn y, const std::uint16_t* passed, int h, int w,
                         const LaneCoefficients& c, PlaneOut dx, PlaneOut dresidual);
};

S2SAM_KERNEL_TABLE(BatchNormKernels, batch_norm_kernels)

}  // namespace s2sam
