import {
  crossEntropy,
  type Device,
  type ImageDataset,
  Loader,
  resnet32,
  s2sam,
  scope,
  sgd,
  streamKey,
  Tape,
  TrainStep,
} from '@s2sam/core';
import { expect, it } from 'vitest';
import { integers, keyOf, pixels } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { golden, type Params } from '../support/golden.js';
import '../support/matchers.js';

/** The images of the golden files: noise with random labels. */
function noiseImages({ images, mean, std, seed }: Params): ImageDataset {
  const split = {
    size: images,
    images: pixels(keyOf(seed, 'golden/curve/images'), images * 3 * 32 * 32),
    labels: integers(keyOf(seed, 'golden/curve/labels'), images, 10),
  };
  return {
    name: 'noise',
    synthetic: true,
    classes: 10,
    imageShape: [3, 32, 32],
    mean,
    std,
    augmentation: { pad: 0, flip: false },
    train: split,
    test: split,
  };
}

/** Batches in the order of the data set. */
function loaderOf(device: Device, params: Params): Loader {
  const data = noiseImages(params);
  return new Loader(device, data, data.train, { batchSize: params.batch });
}

/** PyTorch's own fp32 gradients are 0.3 % away from its float64 ones (`fp32_norm_spread`): ReLU inputs near zero change sides. */
const NORM_TOLERANCE = 0.01;

const length = (values: Iterable<number> = []): number => {
  let squares = 0;
  for (const value of values) squares += value * value;
  return Math.sqrt(squares);
};

eachDevice('ResNet-32 (32-64-128)', (device) => {
  it.each(golden('resnet32'))('logits and the size of every gradient at $name', async ({ params, output }) => {
    using model = resnet32({ device, seed: params.seed });
    using loader = loaderOf(device, params);
    const parameters = model.namedParameters();
    expect([...parameters.keys()].sort()).toEqual([...params.names].sort());
    expect([...parameters.values()].reduce((total, { size }) => total + size, 0)).toBe(1_860_522);
    await scope(async () => {
      await loader.select(0, 0);
      const { x, labels } = loader.load();
      const tape = new Tape();
      const { logits, loss } = tape.record(() => {
        const logits = model.forward(x);
        return { logits, loss: crossEntropy(logits, labels) };
      });
      tape.backward(loss);
      expect(await logits.toArray()).toBeCloseToTensor(output('logits'));
      const norms: number[] = [];
      for (const name of params.names) norms.push(length(await parameters.get(name)?.gradient.toArray()));
      const { values } = output('gradient_norms');
      const errors = norms.map((norm, i) => Math.abs(norm / (values[i] as number) - 1));
      const worst = errors.indexOf(Math.max(...errors));
      const message = `${params.names[worst]}: gradient norm ${norms[worst]}, PyTorch has ${values[worst]}`;
      expect(params.fp32_norm_spread).toBeLessThan(NORM_TOLERANCE / 2);
      expect(errors[worst], message).toBeLessThan(NORM_TOLERANCE);
    });
  });

  it.each(golden('curves'))('loss curve $name', async ({ params, output }) => {
    const { kind, lr, momentum, weightDecay, rho, density, steps, seed, images, batch } = params;
    using model = resnet32({ device, seed });
    using loader = loaderOf(device, params);
    if (density !== null) {
      for (const [name, parameter] of model.namedParameters()) {
        if (!/^layer.*\.conv\d\.weight$/.test(name)) continue;
        const mask = model.arena.addMask(parameter);
        mask.random(Math.round(density * parameter.size), streamKey(seed, `mask/${name}`));
        mask.apply(parameter.value);
      }
    }
    const base = sgd({ lr, momentum, weightDecay });
    const optimizer = kind === 'sgd' ? base : s2sam(base, { rho });
    using trainStep = new TrainStep(model, { optimizer, input: () => loader.load() });
    const losses: number[] = [];
    const stepsPerEpoch = images / batch;
    for (let step = 0; step < steps; step++) {
      await loader.select(Math.floor(step / stepsPerEpoch), step % stepsPerEpoch);
      losses.push((await trainStep.run({ step, totalSteps: steps, stepsPerEpoch })).loss);
    }
    expect(losses).toBeCloseToTensor(output('losses'));
    expect(losses).toBeCloseToTensor(output('losses_fp32'));
    expect(trainStep.passes).toEqual({ forward: 1, backward: 1 });
  });
});
