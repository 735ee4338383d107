#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "s2sam/ops.hpp"

/// Convolutions, and linear layers, which are convolutions of images of one pixel.
namespace s2sam::conv {

/// Which of the three tensors is computed from the other two.
enum class Pass : std::uint8_t {
  forward,  ///< y from x and w
  data,     ///< dx from dy and w
  weight,   ///< dw from x and dy
};

/// x, w and y of a convolution, or their gradients; the one that the pass computes is written. x and y are images; w is
/// plain.
struct Tensors {
  Tensor x, w, y;
  /// Bits of the weights whose gradient is wanted, of all where null (pass `weight`).
  const std::uint32_t* kept = nullptr;
};

/// All that the choice of an engine depends on.
struct Problem {
  Pass pass;
  DType images, weights;
  bool accumulate;  ///< the result is added to what is there
  bool kept_only;   ///< Tensors::kept is given
  std::int64_t n, c, h, w;
  std::int64_t o, out_h, out_w;
  std::int64_t kernel_h, kernel_w;
  int stride_h, stride_w, pad_h, pad_w;

  auto operator<=>(const Problem&) const = default;

  std::int64_t taps() const { return kernel_h * kernel_w; }
  std::int64_t pixels_in() const { return n * h * w; }
  std::int64_t pixels_out() const { return n * out_h * out_w; }
  /// Whether it is the product of a matrix of pixels and the matrix of weights.
  bool is_product() const {
    return taps() == 1 && stride_h == 1 && stride_w == 1 && pad_h == 0 && pad_w == 0;
  }
  /// Names it in files and messages: forward-bf16-f32-n256c64h56w56-o128h28w28-k3x3-s2x2-p1x1.
  std::string name() const;
};

/// The bits that Tensors::kept wants.
inline const std::uint32_t* wanted(const ops::MaskRef& mask, ops::GradientAt at) {
  return mask != nullptr && at == ops::GradientAt::kept ? mask->bits.as<const std::uint32_t>() : nullptr;
}

Problem problem_of(Pass pass, const Tensors& tensors, ops::Conv2d geometry, bool accumulate);
/// The same for matrices x [N,I], w [O,I], y [N,O].
Problem linear_problem_of(Pass pass, const Tensors& tensors, bool accumulate);

}  // namespace s2sam::conv
