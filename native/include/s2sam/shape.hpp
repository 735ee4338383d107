#pragma once

#include <cstdint>
#include <vector>

#include "s2sam/mask.hpp"
#include "s2sam/ops.hpp"
#include "s2sam/tensor.hpp"

/// The rules of every op's operands, once for all backends: dtypes, formats, extents. Each function throws Error{shape},
/// Error{dtype} or Error{argument} that names the op, the operands and the remedy, and returns the form (a Tensor without
/// data) of what the op makes. Optional operands are tensors without data; `mask` may be null.
namespace s2sam::shape {

using Form = Tensor;

struct Pair {
  Form first, second;
};

struct NormForms {
  Form y, statistics, passed;  ///< passed: no elements where the backend wants none
};

/// Every extent is from 1 to 2^31 - 1, and the count is small enough for all arithmetic on bytes. Returns the shape.
const Shape& checked(const char* op, const Shape& shape);
Form plain(const Shape& shape, DType dtype = DType::f32);
Form activation(const Shape& shape, int border, DType dtype = DType::f32);

// ---- memory
Form create(DType dtype, const Shape& shape, bool activation);
Form view(const Tensor& x, std::int64_t offset, const Shape& shape);
void fill(const Tensor& y, double value);
void copy(const Tensor& x, const Tensor& y);
Form cast(const Tensor& x, DType dtype);
Form gather(const Tensor& x, const Tensor& indices);
Form flatten(const Tensor& x);
Form unflatten(const Tensor& x, std::int64_t c, std::int64_t h, std::int64_t w);

// ---- convolution and linear
Form conv2d(const Tensor& x, const Tensor& w, const Mask* mask, const ops::Conv2d& geometry);
/// into: the gradient that is added to, or none.
Form conv2d_backward_data(const Tensor& dy, const Tensor& w, const Mask* mask, std::int64_t h, std::int64_t width,
                          const ops::Conv2d& geometry, const Tensor& into);
void conv2d_backward_weight(const Tensor& x, const Tensor& dy, const Tensor& dw, const Mask* mask,
                            const ops::Conv2d& geometry);
Form linear(const Tensor& x, const Tensor& w, const Mask* mask, const Tensor& bias);
Form linear_backward_data(const Tensor& dy, const Tensor& w, const Mask* mask, const Tensor& into);
void linear_backward_weight(const Tensor& x, const Tensor& dy, const Tensor& dw, const Mask* mask);
void linear_backward_bias(const Tensor& dy, const Tensor& db);

// ---- batch norm
NormForms batch_norm(const char* op, const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& residual,
                     const Tensor& running_mean, const Tensor& running_var, bool relu);
/// Training needs more than one value per channel; as PyTorch, an error otherwise. x is known to be an image.
void batch_norm_samples(const Tensor& x);
Form batch_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& y, const Tensor& passed, const Tensor& gamma,
                         const Tensor& saved_mean, const Tensor& saved_inv_std, const Tensor& dgamma,
                         const Tensor& dbeta);

// ---- pooling
Pair max_pool(const Tensor& x, const ops::Window& window);
Form max_pool_backward(const Tensor& dy, const Tensor& argmax, std::int64_t h, std::int64_t w,
                       const ops::Window& window);
Form avg_pool(const Tensor& x, const ops::Window& window);
Form avg_pool_backward(const Tensor& dy, std::int64_t h, std::int64_t w, const ops::Window& window);
Form global_avg_pool(const Tensor& x);
Form global_avg_pool_backward(const Tensor& dy, std::int64_t h, std::int64_t w);

// ---- loss, metrics, input
Pair softmax_cross_entropy(const Tensor& logits, const Tensor& labels);
Form softmax_cross_entropy_backward(const Tensor& probabilities, const Tensor& labels, const Tensor& dloss);
Form count_correct(const Tensor& logits, const Tensor& labels, std::int64_t k);
Pair top_k(const Tensor& x, std::int64_t k);
Form augment(const Tensor& images, const Tensor& indices, const Tensor& clock, const Tensor& mean, const Tensor& std,
             const Tensor& mix, DType dtype);

// ---- element-wise, reductions, random numbers
Form binary(const Tensor& a, const Tensor& b);
Form unary(const char* op, const Tensor& x);
void add_into(const Tensor& x, const Tensor& y);
Form relu_backward(const Tensor& dy, const Tensor& y);
Form scale_by(const Tensor& x, const Tensor& scalar);
void lerp_into(const Tensor& x, const Tensor& weight, const Tensor& y);
Form expand(const Tensor& scalar, const Tensor& like);
Form reduce(const Tensor& x);
Form reduce_rows(const Tensor& x);
void random(const char* op, const Tensor& y);
Form dropout(const Tensor& x, const Tensor& clock);

// ---- masks
void create_mask(const Tensor& bits, const Shape& shape);
void mask_words(const Mask& mask, std::int64_t words);
/// How many weights a mask op may keep, drop or grow: 0 to all.
void mask_amount(const char* op, const char* name, const Mask& mask, std::int64_t amount);
/// At least one mask, none twice, scores of the same number and shapes, and 0 to all of their weights.
void mask_ranking(const char* op, const std::vector<ops::MaskRef>& masks, const std::vector<Tensor>& scores,
                  const char* name, std::int64_t amount);
void mask_scores(const char* op, const Mask& mask, const Tensor& scores);
/// Masks of one shape; `other_name` is how the op calls the first.
void mask_alike(const char* op, const char* other_name, const Mask& other, const Mask& mask);
void mask_apply(const Mask& mask, const Tensor& x, const Tensor& y);
Form mask_expand(const Mask& mask);
Form mask_summary();

// ---- the optimizer step
void gradient_norm(const Tensor& gradient, const Tensor& bits, const Tensor& weights, std::int64_t slot,
                   const Tensor& stats);
void optimizer_step(const ops::Arena& arena, const Tensor& hyper, const Tensor& stats);
void perturb(const ops::Arena& arena, const Tensor& hyper, const Tensor& stats);
void update_loss_scale(const Tensor& stats);

}  // namespace s2sam::shape
