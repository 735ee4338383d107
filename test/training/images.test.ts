import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Classifier,
  type Device,
  evaluate,
  openDevice,
  readCheckpoint,
  type StepEvent,
  s2sam,
  sgd,
  type TrainOptions,
  train,
} from '@s2sam/core';
import { type ImagesDataset, type ImagesOptions, openImages, pack } from '@s2sam/data';
import { staticRandom } from '@s2sam/masks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bitsOf, collect, steps } from '../support/collect.js';
import { decodes, writeImageTree } from '../support/imageTree.js';
import { tinyNet } from '../support/tiny.js';

const CLASSES = 4;
let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
  folder = mkdtempSync(join(tmpdir(), 's2sam-images-'));
  await writeImageTree(join(folder, 'tree'), CLASSES, 2);
});
afterAll(async () => {
  await device[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const optimizer = s2sam(sgd({ lr: 0.05, momentum: 0.9 }));
/** 64 images in batches of 8: 8 steps per epoch. */
const settings = { optimizer, batchSize: 8, seed: 5, steps: 24, evaluateEvery: 0 } as const;

async function withData<T>(options: Partial<ImagesOptions>, use: (data: ImagesDataset) => Promise<T>): Promise<T> {
  using data = await openImages({ root: join(folder, 'tree'), imageSize: 24, resize: 28, workers: 2, ...options });
  return await use(data);
}

/** Trains a new model; `use` looks at it. */
async function trained<T>(
  data: ImagesDataset,
  options: Partial<TrainOptions>,
  use: (model: Classifier, losses: number[]) => Promise<T>,
): Promise<T> {
  using model = tinyNet(device, { classes: CLASSES, seed: 1 });
  const events = await collect(train(model, { ...settings, data, ...options } as TrainOptions));
  return await use(
    model,
    steps(events).map(({ loss }) => loss),
  );
}

const masks = () => staticRandom({ density: 0.5 });

describe.skipIf(!decodes)('training on images in files (needs libjpeg-turbo)', () => {
  it('is the same, bit for bit, whatever the number of threads that decode', async () => {
    const bits = (workers: number) =>
      withData({ workers }, (data) =>
        trained(data, {}, async (model, losses) => ({ losses, bits: await bitsOf(model) })),
      );
    const one = await bits(1);
    expect(one.losses).toHaveLength(24);
    for (const workers of [2, 4]) expect(await bits(workers)).toEqual(one);
  });

  const sizes = (epoch: number): number => (epoch === 0 ? 16 : epoch === 1 ? 20 : 24);
  it.each([
    ['one size', {}],
    ['sizes that grow with the epochs', { imageSize: sizes }],
  ])('resumes inside an epoch bit for bit, with %s', async (name, extra) => {
    await withData({}, async (data) => {
      const whole = await trained(data, { ...extra, sparsity: masks() }, async (model, losses) => ({
        losses,
        bits: await bitsOf(model),
      }));
      const path = join(folder, `${name.replaceAll(' ', '-')}.safetensors`);
      const controller = new AbortController();
      using stopped = tinyNet(device, { classes: CLASSES, seed: 1 });
      const run = train(stopped, { ...settings, ...extra, data, sparsity: masks(), signal: controller.signal });
      const before: StepEvent[] = [];
      for await (const event of run) {
        if (event.type === 'step') before.push(event);
        if (event.type === 'step' && event.step === 12) controller.abort();
        if (event.type === 'end') await run.save(path);
      }
      const resume = await readCheckpoint(path);
      expect(resume.position.step % 8).not.toBe(0);
      using going = tinyNet(device, { classes: CLASSES, seed: 99 });
      const after = steps(await collect(train(going, { ...settings, ...extra, data, sparsity: masks(), resume })));
      expect([...before, ...after].map(({ loss }) => loss)).toEqual(whole.losses);
      expect(await bitsOf(going)).toEqual(whole.bits);
    });
  });

  it('counts the FLOPs of the size that images have', async () => {
    await withData({}, async (data) => {
      const flops = async (imageSize?: (epoch: number) => number) => {
        using model = tinyNet(device, { classes: CLASSES });
        const extra = imageSize === undefined ? {} : { imageSize };
        const events = await collect(train(model, { ...settings, data, steps: 8, ...extra }));
        const end = events.at(-1);
        return end?.type === 'end' ? end.trainFlops : Number.NaN;
      };
      // All layers but the last are convolutions, whose cost is that of their pixels.
      expect((await flops(() => 12)) / (await flops())).toBeCloseTo(0.25, 2);
    });
  });

  it('from a packed store of pixels is what it is from the files', async () => {
    const store = join(folder, 'tree.s2pack');
    await pack(join(folder, 'tree'), store, { quality: 'raw', resolution: 300 });
    // Crops of a least area that never makes them large enough to be shrunk while they are decoded.
    const wide = { crop: { area: [0.03, 0.05] as const } };
    const losses = (root: string) =>
      withData({ root, ...wide }, (data) => trained(data, {}, async (_, values) => values));
    expect(await losses(store)).toEqual(await losses(join(folder, 'tree')));
  });

  it('evaluates all images, the last incomplete batch too', async () => {
    await withData({}, async (data) => {
      using model = tinyNet(device, { classes: CLASSES });
      const accuracy = async (batchSize: number) => {
        for await (const event of evaluate(model, { data, batchSize })) if (event.type === 'result') return event;
        throw new Error('no result');
      };
      const [whole, parts] = [await accuracy(32), await accuracy(7)];
      expect(parts.images).toBe(32);
      expect(parts.accuracy).toBe(whole.accuracy);
      expect(parts.loss).toBeCloseTo(whole.loss, 5);
    });
  });

  it('ends with the name of an image that is broken, and the device stays usable', async () => {
    const root = join(folder, 'broken');
    await writeImageTree(root, CLASSES, 1);
    writeFileSync(join(root, 'train', 'class2', 'grey-0.jpg'), '');
    const error = await withData({ root }, (data) => trained(data, {}, async () => undefined)).catch((e: Error) => e);
    expect((error as Error).message).toMatch(/class2\/grey-0\.jpg is empty/);
    const told: string[] = [];
    const skip = { root, broken: 'skip', onBroken: (name: string) => told.push(name) } as const;
    const losses = await withData(skip, (data) => trained(data, {}, async (_, values) => values));
    expect(losses).toHaveLength(24);
    expect(told).toHaveLength(1);
  });
});
