#pragma once

#include "cpu/conv/pass.hpp"
#include "cpu/layout.hpp"
#include "cpu/stream.hpp"

namespace s2sam::conv {

/// Scratch slots of the commands in this folder and in linear/.
enum Slot { slot_padded, slot_weights, slot_offsets, slot_sums, slot_in, slot_out };

/// Floating-point operations of one pass over a convolution that keeps this share of its weights and whose outputs (y, or
/// dy) lie so: a multiplication and an addition for each kept weight and output.
double work_of(const Weights& weights, double kept, const ActivationLayout& outputs);

/// Whether a convolution that keeps this share of its weights is computed by Winograd's method with all of them. Its sums
/// have an order of their own, so this is a rule and no choice by timing.
bool uses_winograd(double kept, const Weights& weights, const ops::Conv2d& geometry, const ActivationLayout& outputs);

/// Zero rows or columns around the planes of `in` that the passes read.
int needed_border(const std::vector<Pass>& passes, const Tensor& in);

/// `x` itself where its border is at least this wide, else a copy in scratch that has it.
Tensor with_border(Context& context, const Tensor& x, int border);

/// out (+)= the convolution of `in`, or backward its adjoint: in = x, out = y forward, in = dy, out = dx backward.
/// w [O, I, kH, kW] or [O, I], row-major.
void correlate(Context& context, Direction direction, const Tensor& in, const Tensor& w, Mask* mask,
               const ops::Conv2d& geometry, bool accumulate, const Tensor& out);

}  // namespace s2sam::conv
