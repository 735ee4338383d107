#pragma once

#include "cuda/conv/problem.hpp"
#include "cuda/stream/stream.hpp"
#include "s2sam/ops.hpp"

/// Linear layers and 1x1 convolutions that skip masked weights, by cuSPARSE: y = x W^T and dx = dy W as products of
/// compressed rows (SpMM), dw at kept positions as a sampled product (SDDMM; not in bf16, which cuSPARSE does not take there). Sums run in f32; results do not vary from
/// run to run.
///
/// What is compiled from a mask (rows, columns, cuSPARSE's preprocessing) is kept with the mask until its bits change.
/// That costs one wait for the device per change; while a step is recorded it is done on a stream beside it. A step that
/// edits the mask itself cannot have it compiled.
///
/// Only compressed rows are offered: masks here are unstructured, and at the densities of interest nearly every block
/// that a block format could use has a kept weight in it.
namespace s2sam::sparse {

/// Whether run() can compute this: cuSPARSE is there and takes the types, the problem is a product, the mask keeps a
/// weight and, in the pass `weight`, is what limits the result. Compiles the mask. Nothing of `tensors` is read or
/// written.
bool usable(const Op& op, const conv::Problem& problem, const conv::Tensors& tensors, const ops::MaskRef& mask);

/// Whether it has run with the bits of now, which it must have before it is recorded. Of what was usable().
bool ran(const conv::Problem& problem, Mask& mask);

/// The share of weights that the mask keeps, in steps of half a percent. Of a mask that was usable() since its bits
/// changed.
int half_percent_kept(Mask& mask);

/// Enqueues it; usable() must have said yes. A step being recorded notes the pattern (Stream::note_pattern).
void run(const Op& op, const conv::Problem& problem, const conv::Tensors& tensors, const ops::MaskRef& mask);

}  // namespace s2sam::sparse
