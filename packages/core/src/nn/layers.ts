import { conv2d } from '../autograd/conv.js';
import { dropout } from '../autograd/dropout.js';
import { linear } from '../autograd/linear.js';
import { batchNorm } from '../autograd/norm.js';
import { ArgumentError } from '../errors.js';
import type { LayerRole } from '../sparsity/strategy.js';
import type { Tensor } from '../tensor/tensor.js';
import { positiveInteger } from '../tensor/tensor.js';
import { Buffer, Module, Noise } from './module.js';
import { Parameter } from './parameter.js';

type Pair = number | readonly [height: number, width: number];

export const pair = (value: Pair): readonly [number, number] => (typeof value === 'number' ? [value, value] : value);

export interface Conv2dOptions {
  readonly kernel: Pair;
  /** Default 1. */
  readonly stride?: Pair;
  /** Default 0. */
  readonly padding?: Pair;
  /** Default `body`. */
  readonly role?: LayerRole;
  /** `inNorm`: a bias [out], starting at 0, that the batch norm behind adds (`BatchNormApply.inputBias`). Default none. */
  readonly bias?: 'inNorm';
}

/**
 * 2-D convolution: x [N, in, H, W] -> [N, out, H', W'], weight [out, in, kH, kW] drawn from N(0, 2 / fan_out) (He et al. 2015, fan-out
 * form). `forward` adds no bias: one that it has is left to the batch norm behind.
 */
export class Conv2d extends Module {
  readonly inputs: number;
  readonly outputs: number;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];

  constructor(inputs: number, outputs: number, options: Conv2dOptions) {
    super();
    positiveInteger('Conv2d', 'inputs', inputs);
    positiveInteger('Conv2d', 'outputs', outputs);
    const [kH, kW] = pair(options.kernel);
    this.stride = pair(options.stride ?? 1);
    this.padding = pair(options.padding ?? 0);
    this.inputs = inputs;
    this.outputs = outputs;
    const std = Math.sqrt(2 / (outputs * kH * kW));
    this.weight = new Parameter([outputs, inputs, kH, kW], 'weight', { kind: 'normal', std }, options.role);
    this.bias =
      options.bias === undefined ? undefined : new Parameter([outputs], 'bias', { kind: 'constant', value: 0 });
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, { stride: this.stride, padding: this.padding, training: this.training });
  }
}

export interface BatchNormApply {
  /** Default false. */
  readonly relu?: boolean;
  /** Added before the ReLU. */
  readonly residual?: Tensor;
  /** [C], added to x before it is normalised: the bias of the convolution that made x. */
  readonly inputBias?: Parameter | undefined;
}

export interface BatchNormOptions {
  /** Default 1e-5. */
  readonly eps?: number;
  /** running = (1 - momentum) * running + momentum * batch. Default 0.1. */
  readonly momentum?: number;
  /** What gamma starts at. Default 1. */
  readonly gamma?: number;
}

/** Batch normalisation over N, H, W of [N, C, H, W], fused with an optional residual add and ReLU. */
export class BatchNorm2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly running_mean: Buffer;
  readonly running_var: Buffer;
  readonly eps: number;
  readonly momentum: number;

  constructor(channels: number, options: BatchNormOptions = {}) {
    super();
    positiveInteger('BatchNorm2d', 'channels', channels);
    this.weight = new Parameter([channels], 'norm', { kind: 'constant', value: options.gamma ?? 1 });
    this.bias = new Parameter([channels], 'norm', { kind: 'constant', value: 0 });
    this.running_mean = new Buffer([channels], 0);
    this.running_var = new Buffer([channels], 1);
    this.eps = options.eps ?? 1e-5;
    this.momentum = options.momentum ?? 0.1;
  }

  forward(x: Tensor): Tensor {
    return this.apply(x);
  }

  apply(x: Tensor, options: BatchNormApply = {}): Tensor {
    return batchNorm(x, this, options);
  }
}

/** y = x W^T + b: x [N, in] -> [N, out], weight [out, in] drawn from N(0, std^2), bias 0. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(inputs: number, outputs: number, options: { readonly std?: number; readonly role?: LayerRole } = {}) {
    super();
    positiveInteger('Linear', 'inputs', inputs);
    positiveInteger('Linear', 'outputs', outputs);
    const { std = 0.01, role = 'body' } = options;
    this.weight = new Parameter([outputs, inputs], 'weight', { kind: 'normal', std }, role);
    this.bias = new Parameter([outputs], 'bias', { kind: 'constant', value: 0 });
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias, { training: this.training });
  }
}

/**
 * In training, each element of a plain x becomes 0 with probability p, and the others are divided by 1 - p; in evaluation y = x
 * (Srivastava et al. 2014). What is dropped depends on the model's seed, the layer's name, the training step and the position in x alone,
 * so that a resumed run drops the same, and so do both passes of SAM.
 */
export class Dropout extends Module {
  readonly noise = new Noise();

  /** Throws ArgumentError unless 0 <= p < 1. */
  constructor(readonly p: number) {
    super();
    if (!(p >= 0 && p < 1)) {
      throw new ArgumentError(`Dropout: p is ${p}; it must be at least 0 and less than 1`, { op: 'Dropout' });
    }
  }

  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? dropout(x, this.p, this.noise.stream) : x;
  }
}
