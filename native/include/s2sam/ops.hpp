#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "s2sam/mask.hpp"
#include "s2sam/tensor.hpp"

/// Every op, once. Each function enqueues its work on the stream and returns; shapes have been checked by the caller
/// (shape.hpp), outputs are allocated and may hold anything. Plain tensors are row-major. Images ([N, C, H, W]) are
/// activations in the backend's own layout. Two invariants hold for every stored activation, and every op that writes
/// one keeps them: its zero border is zero, and so are the lanes that pad the batch.
///
/// Precision: images, and the plain tensors that come of them, are f32, f16 or bf16 where the backend stores that type
/// (tensor.hpp, `stores`); the operands of one op agree, unless said otherwise. Sums run in f32 at least, and everything that
/// lasts (masters, momentum, gradients of parameters, statistics, losses) is f32.
///
/// Data found wrong only while a command runs (a label out of range) throws there; the stream hands the first such
/// error to the next wait.
namespace s2sam {

class Stream;

namespace ops {

struct Conv2d {
  int stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
};

struct Window {
  int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
};

/// Where a weight gradient is wanted.
enum class GradientAt : std::uint8_t { kept, all };

/// A mask shared with the commands that use it; null means every weight is kept.
using MaskRef = std::shared_ptr<Mask>;

// ---- memory -------------------------------------------------------------------------------------------------------

void fill(Stream&, Tensor y, double value);
/// Same shape; converts between formats and borders, and between f32, f16 and bf16.
void copy(Stream&, Tensor x, Tensor y);
/// y[i, ...] = x[indices[i], ...] along the first axis; plain; indices i32, checked while running.
void gather(Stream&, Tensor x, Tensor indices, Tensor y);

// ---- convolution and linear (weights plain, f32 or of the images' type, masked entries exactly zero; dw and bias f32) ---

/// y[n,o] = sum_i x[n,i] (*) w[o,i]; x [N,C,H,W], w [O,C,kH,kW], y [N,O,H',W'], H' = (H + 2p - kH) / s + 1.
void conv2d_forward(Stream&, Tensor x, Tensor w, MaskRef mask, Conv2d geometry, Tensor y);
/// dx (+)= the adjoint of conv2d_forward in x. With `accumulate`, dx already holds a gradient that is added to.
void conv2d_backward_data(Stream&, Tensor dy, Tensor w, MaskRef mask, Conv2d geometry, bool accumulate, Tensor dx);
/// dw (+)= the adjoint in w, at kept positions only (the others of dw are left untouched) or everywhere.
void conv2d_backward_weight(Stream&, Tensor x, Tensor dy, MaskRef mask, Conv2d geometry, GradientAt at, bool accumulate,
                            Tensor dw);

/// y = x w^T (+ bias); x [N,I], w [O,I], y [N,O], all plain.
void linear_forward(Stream&, Tensor x, Tensor w, MaskRef mask, Tensor bias_or_null, Tensor y);
void linear_backward_data(Stream&, Tensor dy, Tensor w, MaskRef mask, bool accumulate, Tensor dx);
void linear_backward_weight(Stream&, Tensor x, Tensor dy, MaskRef mask, GradientAt at, bool accumulate, Tensor dw);
/// db (+)= column sums of dy.
void linear_backward_bias(Stream&, Tensor dy, bool accumulate, Tensor db);

// ---- batch norm, fused with an optional residual add and an optional ReLU ---------------------------------------------

struct BatchNorm {
  float eps = 1e-5F;
  float momentum = 0.1F;  ///< PyTorch's: running = (1 - momentum) * running + momentum * batch
  bool relu = false;
};

/// y = relu?(gamma * (x - mean) / sqrt(var + eps) + beta + residual?). Statistics over N, H, W (biased variance for y,
/// unbiased for running_var, as PyTorch). running_* null: not updated. saved_mean and saved_inv_std [C] are for backward.
/// passed: u8 [passed_bytes(x)], or null where a backend wants none or there is no ReLU: one bit per element in the backend's
/// own order, whether the ReLU let it pass.
void batch_norm_train(Stream&, Tensor x, Tensor gamma, Tensor beta, Tensor residual_or_null, Tensor running_mean_or_null,
                      Tensor running_var_or_null, BatchNorm options, Tensor y, Tensor saved_mean, Tensor saved_inv_std,
                      Tensor passed_or_null);
/// The same with running statistics; saved_* receive them in the form that backward reads.
void batch_norm_eval(Stream&, Tensor x, Tensor gamma, Tensor beta, Tensor residual_or_null, Tensor running_mean,
                     Tensor running_var, BatchNorm options, Tensor y, Tensor saved_mean, Tensor saved_inv_std,
                     Tensor passed_or_null);
/// dx, dgamma (+)=, dbeta (+)=; dresidual (null: none) is dy where the ReLU let y pass. `training`: the statistics
/// depended on x. With options.relu one of y and passed is read: passed where it was made. `accumulate` concerns dgamma and
/// dbeta.
void batch_norm_backward(Stream&, Tensor dy, Tensor x, Tensor y, Tensor passed_or_null, Tensor gamma, Tensor saved_mean,
                         Tensor saved_inv_std, BatchNorm options, bool training, bool accumulate, Tensor dx,
                         Tensor dresidual_or_null, Tensor dgamma, Tensor dbeta);
/// Bytes of `passed` for images x; 0 where this backend reads y instead.
std::int64_t passed_bytes(const Tensor& x);

// ---- pooling ----------------------------------------------------------------------------------------------------------

/// Padding counts as minus infinity; ties go to the first tap, as PyTorch. argmax: u8 plain, ceil(N/16)*16 * O(C*H'*W')
/// elements in the backend's own order, the tap (kh * kernel_w + kw) that won; kernel_h * kernel_w <= 256.
void max_pool_forward(Stream&, Tensor x, Window window, Tensor y, Tensor argmax);
void max_pool_backward(Stream&, Tensor dy, Tensor argmax, Window window, Tensor dx);
/// Divides by kernel_h * kernel_w, padding included (PyTorch's count_include_pad = true).
void avg_pool_forward(Stream&, Tensor x, Window window, Tensor y);
void avg_pool_backward(Stream&, Tensor dy, Window window, Tensor dx);
/// x [N,C,H,W] activation -> y [N,C] plain.
void global_avg_pool_forward(Stream&, Tensor x, Tensor y);
void global_avg_pool_backward(Stream&, Tensor dy, Tensor dx);

// ---- loss and metrics (f32) ---------------------------------------------------------------------------------------------

/// loss [1] = mean over n of -sum_k q_k log p_k, q = (1 - smoothing) * onehot + smoothing / K; probabilities [N,K] are for
/// backward. labels i32 [N], checked while running.
void softmax_cross_entropy_forward(Stream&, Tensor logits, Tensor labels, float smoothing, Tensor loss,
                                   Tensor probabilities);
/// dlogits = (p - q) * dloss / N.
void softmax_cross_entropy_backward(Stream&, Tensor probabilities, Tensor labels, Tensor dloss, float smoothing,
                                    Tensor dlogits);
/// count f32 [1]: samples whose label is among the k largest logits (ties: lower index first).
void count_correct(Stream&, Tensor logits, Tensor labels, int k, Tensor count);
/// The k largest of each row of x [N,K], largest first, ties: lower index first. values f32 [N,k], indices i32 [N,k].
void top_k(Stream&, Tensor x, int k, Tensor values, Tensor indices);

// ---- input --------------------------------------------------------------------------------------------------------------

struct Augment {
  int pad = 0;          ///< random crop of the image padded by this many black pixels on every side
  bool flip = false;    ///< random horizontal flip
  std::uint32_t key[2]{};
};

/// y[i] = normalise(flip(crop(images[indices[i]]))): images u8 [M,C,H,W], indices i32 [N], y activation [N,C,H,W].
/// value = (pixel / 255 - mean[c]) / std[c]; the crop's padding is black pixels (0) before normalisation, as torchvision's
/// RandomCrop(padding) on the uint8 image. Choices are Philox(key)(indices[i], 0, epoch, 0): word 0 -> row offset
/// word % (2 * pad + 1), word 1 -> column offset, word 2 bit 31 -> flip. clock: i32 [1] holds the epoch.
/// With pad = 0 and flip = false nothing random happens.
/// mix: f32 [5] = (lambda, x0, y0, x1, y1), or without data: none. Mixes each row, once augmented and normalised, with the
/// row before it (row 0 with the last), as torchvision's MixUp and CutMix do: a box that is not empty takes the partner's
/// pixels in columns x0 to x1 - 1 of rows y0 to y1 - 1; an empty box mixes all pixels, lambda * own + (1 - lambda) * partner.
void augment(Stream&, Tensor images, Tensor indices, Tensor clock, Tensor mean, Tensor std, Augment options, Tensor mix,
             Tensor y);

// ---- element-wise and reductions (plain or activation; operands of one format) ------------------------------------------

enum class Binary : std::uint8_t { add, sub, mul, div, maximum };
enum class Unary : std::uint8_t { relu, exp, log, sqrt, abs, square };
enum class Reduce : std::uint8_t { sum, mean, max, min, sum_squares, count_nonzero };

void binary(Stream&, Binary op, Tensor a, Tensor b, Tensor y);
void unary(Stream&, Unary op, Tensor x, Tensor y);
/// y = scale * x + shift.
void affine(Stream&, Tensor x, float scale, float shift, Tensor y);
/// y += scale * x.
void add_into(Stream&, Tensor x, float scale, Tensor y);
/// dx = y > 0 ? dy : 0.
void relu_backward(Stream&, Tensor dy, Tensor y, Tensor dx);
/// y = x * scalar[0], a device scalar.
void scale_by(Stream&, Tensor x, Tensor scalar, Tensor y);
/// y moves towards x by a share that is a device scalar: y = w < 1/2 ? y + w * (x - y) : x - (1 - w) * (x - y) with
/// w = weight[0], so that 0 and 1 are exact; torch.lerp.
void lerp_into(Stream&, Tensor x, Tensor weight, Tensor y);
/// y = scalar[0] * factor everywhere: the gradient of sum and mean.
void expand(Stream&, Tensor scalar, float factor, Tensor y);
/// y [1] f32. Accumulates in double, in an order that depends on the shape alone.
void reduce(Stream&, Reduce op, Tensor x, Tensor y);
/// y [x.shape[0]]: the same over each x[i, ...], e.g. over each filter of a convolution; x plain.
void reduce_rows(Stream&, Reduce op, Tensor x, Tensor y);

// ---- random numbers -------------------------------------------------------------------------------------------------------

/// Element i takes word i % 4 of Philox(key)(i / 4, 0, 0, 0); uniform = unit_uniform(word) * (hi - lo) + lo.
/// Normal: words (0,1) and (2,3) make Box-Muller pairs in double: u = (word0 + 1) / 2^32, v = word1 / 2^32,
/// r = sqrt(-2 ln u): elements r cos(2 pi v), r sin(2 pi v).
void random_uniform(Stream&, std::uint32_t key0, std::uint32_t key1, float lo, float hi, Tensor y);
void random_normal(Stream&, std::uint32_t key0, std::uint32_t key1, float mean, float std, Tensor y);
/// y[i] = u < p ? 0 : x[i] / (1 - p), u = unit_uniform of word i % 4 of Philox(key)(i / 4, 0, clock[0], 0); x plain. clock: i32
/// [1], in device memory so that a recorded step drops others each time. Its adjoint is the same op.
void dropout(Stream&, Tensor x, Tensor clock, float p, std::uint32_t key0, std::uint32_t key1, Tensor y);

// ---- masks ------------------------------------------------------------------------------------------------------------------
// Scores are f32, plain, of the parameter's shape. Several masks are ranked together, as if their parameters lay one behind
// the other: among equal scores the earlier mask, then the lower index, counts as the larger; NaN counts as the smallest. A
// wish that cannot be met (more than there are) throws while running.

/// A mask and the scores of its weights.
struct Scored {
  MaskRef mask;
  Tensor scores;
};

/// Every bit to `keep`.
void mask_fill(Stream&, MaskRef mask, bool keep);
/// Bits from u32 words (plain, as Mask::bits).
void mask_write(Stream&, MaskRef mask, Tensor words);
/// Exactly `keep` bits, uniformly without replacement: the `keep` smallest values of Philox(key)(i, 0, 0, 0) word 0,1 as
/// one 64-bit number, word 0 its high half; ties: lower index first.
void mask_random(Stream&, MaskRef mask, std::int64_t keep, std::uint32_t key0, std::uint32_t key1);
/// Keeps exactly the `keep` largest scores.
void mask_top_k(Stream&, std::vector<Scored> masks, std::int64_t keep);
/// Removes the `drop` smallest scores among the kept.
void mask_drop(Stream&, std::vector<Scored> masks, std::int64_t drop);
/// Adds the `grow` largest scores among the positions not kept.
void mask_grow(Stream&, std::vector<Scored> masks, std::int64_t grow);
/// Removes the kept whose score is below the threshold, but leaves at least the `at_least` largest of the kept (all of them,
/// where fewer are kept).
void mask_drop_below(Stream&, MaskRef mask, Tensor scores, float threshold, std::int64_t at_least);
/// Adds `grow` positions kept neither by the mask nor by `except` (null: nothing), by the rule of mask_random.
void mask_grow_random(Stream&, MaskRef mask, MaskRef except_or_null, std::int64_t grow, std::uint32_t key0,
                      std::uint32_t key1);

enum class Combine : std::uint8_t { intersect, unite, subtract, copy };
/// into = into op other, bit by bit; masks of one shape.
void mask_combine(Stream&, Combine op, MaskRef other, MaskRef into);
/// y = kept ? x : 0; y may be x.
void mask_apply(Stream&, MaskRef mask, Tensor x, Tensor y);
/// y = kept ? 1 : 0, f32.
void mask_expand(Stream&, MaskRef mask, Tensor y);
/// summary u32 [3]: kept count, checksum low, checksum high (64-bit FNV-1a over the bytes of the bit words).
void mask_summary(Stream&, MaskRef mask, Tensor summary);

// ---- the optimizer step over one flat arena ---------------------------------------------------------------------------------

/// All parameters of a model in flat arrays of P elements, P a multiple of 128; parameters start at multiples of 128 and
/// the elements between them are zero. bits: u32 [P / 32], ones where there is no mask. segments: i32 [S, 2] = begin, end of
/// each parameter; decay f32 [S] = its weight decay.
struct Arena {
  Tensor master, momentum, gradient, working, bits, segments, decay;
  /// f16 or bf16 [P]: the working copy, rounded, for matrix products in 16 bit; or null. Written wherever `working` is.
  Tensor compute;
};

/// hyper f32 [8], in device memory so that a captured step never goes stale.
enum Hyper { hyper_lr, hyper_momentum, hyper_rho, hyper_max_norm, hyper_size = 8 };

/// stats f32 [8]. grad_norm: of the gradient the optimizer steps with, before clipping. perturb_norm: the norm that divides
/// the perturbation. skipped_steps, skipped_perturbations: event counts since they were last zeroed. loss_scale: what the loss
/// was multiplied by, so that 16-bit gradients do not vanish; 0 means 1. good_steps: finite steps since it last changed.
/// Gradients in the arena are those of the scaled loss; norms are reported, and gradients used, divided by loss_scale.
enum Stats {
  stat_grad_norm,
  stat_perturb_norm,
  stat_skipped_steps,
  stat_skipped_perturbations,
  stat_loss_scale,
  stat_good_steps,
  stats_size = 8
};

struct Step {
  bool nesterov = false;
  /// true (policy `masked`): gradient, momentum and working copy are 0 at masked positions. false (policy `dense`, the released
  /// code): they stay dense, only the master is masked.
  bool masked = true;
  /// Write working = master + rho * gradient / (norm + 1e-12) in the same pass (S2-SAM, plain). Otherwise working = master,
  /// unless both are the same memory.
  bool perturb = false;
};

/// stats[slot] = || bits? * weights? * gradient ||_2 / loss_scale, summed in double in a fixed order. bits and weights may be null.
void gradient_norm(Stream&, Tensor gradient, Tensor bits_or_null, Tensor weights_or_null, int slot, Tensor stats);

/// One pass: g = clipped gradient, d = g + decay * w, v = momentum * v + d, w -= lr * (nesterov ? d + momentum * v : v),
/// w = mask * w, working as above with the UNclipped gradient and stats[perturb_norm]. Clipping: scale = min(1, max_norm /
/// (grad_norm + 1e-6)) where hyper max_norm > 0. A grad_norm that is not finite skips the update (master and momentum keep
/// their values, working = master) and counts skipped_steps; a perturb_norm that is 0 or not finite, or rho = 0, gives
/// working = master, bit for bit; the former two count skipped_perturbations.
void optimizer_step(Stream&, Arena arena, Step options, Tensor hyper, Tensor stats);

/// working = bits? * (master + e): plain e = rho * g / (norm + 1e-12); adaptive (ASAM, Kwon et al. 2021) e = rho * w^2 * g /
/// (norm + 1e-12). norm = stats[perturb_norm]; the same guards as above. SAM's ascent, adaptive S2-SAM, resume, and mask
/// updates use it.
void perturb(Stream&, Arena arena, bool masked, bool adaptive, Tensor hyper, Tensor stats);

/// Dynamic loss scaling (Micikevicius et al., "Mixed precision training", 2018): after a step whose grad_norm is not finite
/// loss_scale is halved (not below 1), after `interval` finite steps in a row it is doubled (not above 2^24). Leaves a
/// loss_scale of 0 alone.
void update_loss_scale(Stream&, int interval, Tensor stats);

}  // namespace ops
}  // namespace s2sam
