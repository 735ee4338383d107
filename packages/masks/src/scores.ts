import { abs, mul, type SparseLayer, type Tensor } from '@s2sam/core';

/** |w|; the caller's scope frees it. */
export const magnitude = ({ weight }: SparseLayer): Tensor => abs(weight);

/** |dL/dw|. */
export const gradientMagnitude = ({ gradient }: SparseLayer): Tensor => abs(gradient);

/** |w * dL/dw|: how much the loss changes, to first order, when the weight goes (Lee et al. 2019). */
export const sensitivity = ({ weight, gradient }: SparseLayer): Tensor => abs(mul(weight, gradient));
