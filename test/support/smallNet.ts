import {
  BatchNorm2d,
  Classifier,
  Conv2d,
  constant,
  type Device,
  globalAvgPool,
  initialize,
  Linear,
  type Optimizer,
  type SharpnessOptions,
  s2sam,
  sam,
  sgd,
  streamKey,
  type Tensor,
} from '@s2sam/core';
import type { Params } from './golden.js';

/** The network that golden files train, and how they train it. */

/** conv-bn-relu-conv-bn-relu-gap-linear, as `SmallNet` of the golden files. */
export class SmallNet extends Classifier {
  readonly conv1 = new Conv2d(3, 8, { kernel: 3, padding: 1 });
  readonly bn1 = new BatchNorm2d(8);
  readonly conv2 = new Conv2d(8, 16, { kernel: 3, stride: 2, padding: 1 });
  readonly bn2 = new BatchNorm2d(16);
  readonly fc = new Linear(16, 10);

  constructor() {
    super('smallnet', 10, 3);
  }

  forward(x: Tensor): Tensor {
    const hidden = this.bn1.apply(this.conv1.forward(x), { relu: true });
    return this.fc.forward(globalAvgPool(this.bn2.apply(this.conv2.forward(hidden), { relu: true })));
  }
}

/** Gives parameters random masks, as the golden files drew them, before training begins. */
export function applyMasks(model: Classifier, densities: Readonly<Record<string, number>>, seed: number): void {
  for (const [name, density] of Object.entries(densities)) {
    const parameter = model.namedParameters().get(name);
    if (parameter === undefined) throw new Error(`the model has no parameter ${name}`);
    const mask = model.arena.addMask(parameter);
    mask.random(Math.round(density * parameter.size), streamKey(seed, `mask/${name}`));
    mask.apply(parameter.value);
  }
}

export function optimizerOf({
  kind,
  lr,
  momentum,
  nesterov,
  weightDecay,
  decayWeightsOnly,
  maxGradNorm,
  ...rest
}: Params): Optimizer {
  const given = { momentum, nesterov, weightDecay, decayWeightsOnly, maxGradNorm };
  const base = sgd({
    lr: constant(lr),
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  });
  if (kind === 'sgd') return base;
  const sharpness: SharpnessOptions = Object.fromEntries(
    ['rho', 'policy', 'adaptive'].filter((name) => name in rest).map((name) => [name, rest[name]]),
  );
  return kind === 'sam' ? sam(base, sharpness) : s2sam(base, sharpness);
}

export const smallNet = (device: Device, seed: number): SmallNet => initialize(new SmallNet(), { device, seed });
