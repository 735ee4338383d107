import type { BatchNorm2d } from '../nn/layers.js';
import type { Parameter } from '../nn/parameter.js';

type Pair = readonly [height: number, width: number];

interface Window {
  readonly stride: Pair;
  readonly padding: Pair;
}

/** Ops that take tensors of one shape and nothing else. */
export type ElementwiseKind = 'add' | 'sub' | 'mul' | 'div' | 'relu' | 'exp' | 'log' | 'sqrt';

/**
 * What an op computes from the inputs it notes on the tape, for those who write a network down for other programs. Inputs: of
 * `conv2d` and `linear` [x, weight] or [x, weight, bias]; of `batchNorm` [x, gamma, beta] or [x, gamma, beta, residual]. `relu`: the op
 * ends with one. `inputBias`: added to x first; it is the last input then.
 */
export type Op = { readonly relu?: boolean } & (
  | (Window & { readonly kind: 'conv2d' })
  | (Window & { readonly kind: 'maxPool' | 'avgPool'; readonly kernel: Pair })
  | { readonly kind: 'batchNorm'; readonly norm: BatchNorm2d; readonly inputBias?: Parameter }
  | { readonly kind: 'linear' | 'globalAvgPool' | 'flatten' | 'cast' | ElementwiseKind }
);
