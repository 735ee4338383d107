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
  TrainStep,
} from '@s2sam/core';
import { expect, it } from 'vitest';
import { integers, keyOf, normal } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { golden, type Params } from '../support/golden.js';
import '../support/matchers.js';

/** conv-bn-relu-conv-bn-relu-gap-linear, as `SmallNet` of the golden files. */
class SmallNet extends Classifier {
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
function applyMasks(model: Classifier, densities: Readonly<Record<string, number>>, seed: number): void {
  for (const [name, density] of Object.entries(densities)) {
    const parameter = model.namedParameters().get(name);
    if (parameter === undefined) throw new Error(`the model has no parameter ${name}`);
    const mask = model.arena.addMask(parameter);
    mask.random(Math.round(density * parameter.size), streamKey(seed, `mask/${name}`));
    mask.apply(parameter.value);
  }
}

function optimizerOf({
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

/** The losses and gradient norms of all steps, on batches drawn as the golden files drew them. */
async function runSteps(model: SmallNet, params: Params): Promise<{ losses: number[]; gradNorms: number[] }> {
  const { device } = model;
  const { batch, steps, seed } = params as { batch: number[]; steps: number; seed: number };
  const count = batch.reduce((product, extent) => product * extent, 1);
  const size = batch[0] as number;
  using x = device.zeros(batch);
  using labels = device.zeros([size], { dtype: 'i32' });
  using trainStep = new TrainStep(model, { optimizer: optimizerOf(params), input: () => ({ x, labels }) });
  const results = [];
  for (let step = 0; step < steps; step++) {
    x.write(normal(keyOf(seed, 'golden/small/x', step), count, 0, 1));
    labels.write(integers(keyOf(seed, 'golden/small/labels', step), size, 10));
    results.push(await trainStep.run({ step, totalSteps: steps, stepsPerEpoch: steps }));
  }
  return { losses: results.map(({ loss }) => loss), gradNorms: results.map(({ gradNorm }) => gradNorm) };
}

const newNet = (device: Device, seed: number): SmallNet => initialize(new SmallNet(), { device, seed });

eachDevice('20 optimizer steps on a small net', (device) => {
  it.each(golden('optimizers'))('$name', async ({ params, output, has }) => {
    using model = newNet(device, params.seed);
    applyMasks(model, params.masks ?? {}, params.seed);
    const { losses, gradNorms } = await runSteps(model, params);
    expect(losses).toBeCloseToTensor(output('losses'));
    expect(gradNorms).toBeCloseToTensor(output('grad_norms'));
    for (const [name, parameter] of model.namedParameters()) {
      expect(await parameter.value.toArray()).toBeCloseToTensor(output(name));
      if (has(`momentum/${name}`)) {
        expect(await parameter.storage.momentum.toArray()).toBeCloseToTensor(output(`momentum/${name}`));
      }
    }
    for (const [name, buffer] of model.namedBuffers()) {
      expect(await buffer.tensor.toArray()).toBeCloseToTensor(output(name));
    }
  });
});
