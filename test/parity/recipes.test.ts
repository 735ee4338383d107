import {
  type Classifier,
  cutmixOf,
  type Device,
  Ema,
  type ImageDataset,
  Loader,
  type Mix,
  Mixing,
  TrainStep,
} from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import { eachDevice } from '../support/devices.js';
import { type GoldenCase, golden } from '../support/golden.js';
import '../support/matchers.js';
import { applyMasks, optimizerOf, smallNet } from '../support/smallNet.js';

/** The images of a case, in the order of its steps. */
function dataOf({ params, input }: GoldenCase): ImageDataset {
  const images = input('images');
  const split = {
    size: images.shape[0] as number,
    images: images.data as Uint8Array,
    labels: Uint8Array.from(input('labels').data as Int32Array),
  };
  return {
    name: 'golden',
    synthetic: true,
    classes: 10,
    imageShape: images.shape.slice(1) as [number, number, number],
    mean: params.mean,
    std: params.std,
    augmentation: { pad: 0, flip: false },
    train: split,
    test: split,
  };
}

const mixOf = ([lambda, ...box]: readonly number[]): Mix => ({
  lambda: lambda as number,
  box: box as unknown as Mix['box'],
});

interface Made {
  readonly losses: number[];
  readonly correct: number[];
  readonly gradNorms: number[];
}

/** Runs the steps of a case. */
async function run(model: Classifier, example: GoldenCase, ema?: Ema): Promise<Made> {
  const { batch, parts = 1, steps, mixes, smoothing = 0 } = example.params;
  const { device } = model;
  const data = dataOf(example);
  using mixing = mixes === undefined ? undefined : new Mixing(device, batch, parts);
  using loader = new Loader(device, data, data.train, { batchSize: batch * parts, parts, mixing });
  using trainStep = new TrainStep(model, {
    optimizer: optimizerOf(example.params),
    labelSmoothing: smoothing,
    parts,
    input: (dtype, part) => loader.load(dtype, part),
    stepped: () => ema?.update(),
  });
  const made: Made = { losses: [], correct: [], gradNorms: [] };
  for (let step = 0; step < steps; step++) {
    await loader.select(0, step);
    mixing?.write([mixOf(mixes[step])]);
    ema?.prepare(step);
    const result = await trainStep.run({ step, totalSteps: steps, stepsPerEpoch: steps });
    made.losses.push(result.loss);
    made.correct.push(result.correct);
    made.gradNorms.push(result.gradNorm);
  }
  return made;
}

async function expectModel(model: Classifier, { output }: GoldenCase): Promise<void> {
  for (const [name, { value }] of model.namedParameters()) {
    expect(await value.toArray(), name).toBeCloseToTensor(output(name));
  }
  for (const [name, { tensor }] of model.namedBuffers()) {
    expect(await tensor.toArray(), name).toBeCloseToTensor(output(name));
  }
}

const start = (device: Device, { params }: GoldenCase): Classifier => {
  const model = smallNet(device, params.seed);
  applyMasks(model, params.masks ?? {}, params.seed);
  return model;
};

eachDevice('recipes', (device) => {
  it.each(golden('mixed_steps'))('mixed batches and the moving average: $name', async (example) => {
    using model = start(device, example);
    const { decay, warmup } = example.params;
    using ema = new Ema(model, { decay, warmup });
    const { losses, correct } = await run(model, example, ema);
    expect(losses).toBeCloseToTensor(example.output('losses'));
    expect(correct).toBeCloseToTensor(example.output('correct'));
    await expectModel(model, example);
    for (const [name, tensor] of ema.tensors) {
      expect(await tensor.toArray(), name).toBeCloseToTensor(example.output(`average/${name}`));
    }
  });

  it.each(golden('accumulated_steps'))('gradients of micro-batches: $name', async (example) => {
    using model = start(device, example);
    const { losses, gradNorms } = await run(model, example);
    expect(losses).toBeCloseToTensor(example.output('losses'));
    expect(gradNorms).toBeCloseToTensor(example.output('grad_norms'));
    await expectModel(model, example);
  });
});

describe('CutMix', () => {
  it.each(golden('cutmix_boxes'))('has the boxes of torchvision: $name', ({ params, input, output }) => {
    const [shares, x, y] = ['shares', 'x', 'y'].map((name) => input(name).data) as [
      Float32Array,
      Int32Array,
      Int32Array,
    ];
    const made = Array.from(shares, (share, i) => cutmixOf(share, [x[i] as number, y[i] as number], params.size));
    const boxes = output('boxes').values;
    for (const [i, { box, lambda }] of made.entries()) {
      const expected = Array.from({ length: 4 }, (_, k) => boxes[4 * i + k] as number);
      // A box of no area is written as one that is empty for certain.
      if (lambda < 1) expect(box).toEqual(expected);
      else
        expect([
          (expected[2] as number) <= (expected[0] as number),
          (expected[3] as number) <= (expected[1] as number),
        ]).toContain(true);
    }
    expect(made.map(({ lambda }) => lambda)).toBeCloseToTensor(output('left'));
  });
});
