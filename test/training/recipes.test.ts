import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Device,
  drawMix,
  type EpochEvent,
  Evaluator,
  loadWeights,
  openDevice,
  readCheckpoint,
  s2sam,
  sgd,
  type TrainOptions,
  train,
} from '@s2sam/core';
import { rigl } from '@s2sam/masks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bitsOf, collect, steps } from '../support/collect.js';
import { tinyData, tinyNet } from '../support/tiny.js';

const data = tinyData();
const optimizer = s2sam(sgd({ lr: 0.05, momentum: 0.9, weightDecay: 5e-4 }));

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
  folder = await mkdtemp(join(tmpdir(), 's2sam-recipes-'));
});
afterAll(async () => {
  device[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

/** Everything at once, under masks that move. */
const everything = (): Omit<TrainOptions, 'epochs'> => ({
  data,
  optimizer,
  sparsity: rigl({ density: 0.3, updateEvery: 4 }),
  steps: 20,
  batchSize: 10,
  accumulate: 2,
  labelSmoothing: 0.1,
  mixup: 0.2,
  cutmix: 1,
  ema: { decay: 0.8 },
  seed: 3,
});

const averageOf = async (path: string): Promise<Map<string, Uint32Array>> => {
  using model = tinyNet(device);
  loadWeights(model, await readCheckpoint(path), { average: true });
  return await bitsOf(model);
};

describe('a training with mixup, CutMix, accumulation and a moving average', () => {
  it('resumes bit for bit, the average included', async () => {
    using straight = tinyNet(device);
    const run = train(straight, everything());
    const whole = await collect(run);
    const end = join(folder, 'end.safetensors');
    await run.save(end);
    for (const moment of ['step 3', 'epoch 4', 'mask 5', 'step 6', 'step 12']) {
      using saved = tinyNet(device);
      const path = join(folder, `${moment}.safetensors`);
      const interrupted = train(saved, everything());
      for await (const event of interrupted) {
        if ('step' in event && `${event.type} ${event.step}` === moment) await interrupted.save(path);
      }
      using resumed = tinyNet(device, { seed: 99 });
      const rest = train(resumed, { ...everything(), resume: await readCheckpoint(path) });
      const events = await collect(rest);
      const losses = steps(events).map(({ loss }) => loss);
      expect(losses, moment).toEqual(
        steps(whole)
          .slice(-losses.length)
          .map(({ loss }) => loss),
      );
      expect(await bitsOf(resumed), moment).toEqual(await bitsOf(straight));
      const again = join(folder, 'again.safetensors');
      await rest.save(again);
      expect(await averageOf(again), moment).toEqual(await averageOf(end));
    }
  });

  it('evaluates the average as what a checkpoint of it gives, and leaves the weights alone', async () => {
    using model = tinyNet(device);
    const run = train(model, everything());
    let last: EpochEvent | undefined;
    for await (const event of run) if (event.type === 'epoch') last = event;
    const path = join(folder, 'average.safetensors');
    await run.save(path);
    using untested = tinyNet(device);
    await collect(train(untested, { ...everything(), evaluateEvery: 0 }));
    expect(await bitsOf(untested)).toEqual(await bitsOf(model));
    using average = tinyNet(device);
    loadWeights(average, await readCheckpoint(path), { average: true });
    using evaluator = new Evaluator(average, { data, batchSize: 10 });
    for await (const event of evaluator.run()) {
      if (event.type === 'result') {
        expect(event).toMatchObject({ loss: last?.testLossEma, accuracy: last?.testAccuracyEma });
      }
    }
    expect(last?.testLossEma).not.toBe(last?.testLoss);
  });

  it('keeps the average at 0 wherever a weight is dropped', async () => {
    using model = tinyNet(device);
    const run = train(model, everything());
    await collect(run);
    const path = join(folder, 'masked.safetensors');
    await run.save(path);
    using average = tinyNet(device);
    loadWeights(average, await readCheckpoint(path), { average: true });
    for (const [name, { value, mask }] of average.namedParameters()) {
      if (mask === undefined) continue;
      using kept = mask.expand();
      const [values, alive] = [await value.toArray(), await kept.toArray()];
      expect(values.filter((x, i) => x !== 0 && alive[i] === 0).length, name).toBe(0);
      expect(values.filter((x) => x !== 0).length, name).toBeGreaterThan(0);
    }
  });

  it('counts images, steps and FLOPs of all micro-batches', async () => {
    const count = async (options: Pick<TrainOptions, 'batchSize' | 'accumulate'>) => {
      using model = tinyNet(device);
      const events = await collect(train(model, { data, optimizer, epochs: 2, ...options }));
      const end = events.at(-1);
      const [start] = events;
      if (start?.type !== 'start' || end?.type !== 'end') throw new Error('no end');
      return { perEpoch: start.stepsPerEpoch, steps: end.step, flops: end.trainFlops };
    };
    const whole = await count({ batchSize: 24 });
    expect(await count({ batchSize: 8, accumulate: 3 })).toEqual(whole);
    expect(whole).toMatchObject({ perEpoch: 4, steps: 8 });
  });

  it('with one micro-batch and nothing mixed is the plain training, bit for bit', async () => {
    const plain = { data, optimizer, steps: 12, batchSize: 20, seed: 3 };
    using first = tinyNet(device);
    await collect(train(first, plain));
    using second = tinyNet(device);
    await collect(train(second, { ...plain, accumulate: 1, mixup: 0, cutmix: 0, ema: { decay: 0.9 } }));
    expect(await bitsOf(second)).toEqual(await bitsOf(first));
  });

  it.each([
    [{ mixup: -1 }, /mixup is -1/],
    [{ cutmix: Number.NaN }, /cutmix is NaN/],
    [{ ema: { decay: 1 } }, /ema\.decay is 1/],
    [{ accumulate: 0 }, /accumulate/],
    [{ accumulate: 100 }, /fewer than the 2000 of a step; lower batchSize or accumulate/],
  ])('refuses %j', (options, message) => {
    using model = tinyNet(device);
    expect(() => train(model, { data, optimizer, steps: 1, batchSize: 20, ...options })).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });

  it('is resumed with the same numbers only, and an average is not made up', async () => {
    using model = tinyNet(device);
    const run = train(model, { data, optimizer, steps: 2, batchSize: 10 });
    await collect(run);
    const path = join(folder, 'plain.safetensors');
    await run.save(path);
    const resume = await readCheckpoint(path);
    const other = { data, optimizer, steps: 4, batchSize: 10, accumulate: 2, ema: { decay: 0.5 }, resume };
    expect(() => train(model, other)).toThrow(/accumulate 1 there, 2 here; ema 0 there, 0\.5 here/);
    expect(() => loadWeights(model, resume, { average: true })).toThrow(/holds no moving average/);
  });
});

describe('shares of mixtures', () => {
  const draws = (mixup: number, cutmix: number) =>
    Array.from({ length: 4000 }, (_, step) => drawMix({ mixup, cutmix }, [32, 32], 0, step));
  const moments = (values: readonly number[]) => {
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    return [mean, values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length] as const;
  };

  it.each([0.2, 1, 4])('of mixup follow Beta(%d, %d)', (alpha) => {
    const [mean, variance] = moments(draws(alpha, 0).map(({ lambda }) => lambda));
    const exact = 1 / (4 * (2 * alpha + 1));
    // Four standard deviations of a mean of 4,000.
    expect(Math.abs(mean - 0.5)).toBeLessThan(4 * Math.sqrt(exact / 4000));
    expect(Math.abs(variance / exact - 1)).toBeLessThan(0.1);
  });

  it('are the area outside of a box of CutMix', () => {
    for (const { lambda, box } of draws(0, 1)) {
      const [x0, y0, x1, y1] = box;
      expect(lambda).toBeCloseTo(1 - ((x1 - x0) * (y1 - y0)) / 1024, 12);
      expect([x0 >= 0, y0 >= 0, x1 <= 32, y1 <= 32]).toEqual([true, true, true, true]);
    }
  });

  it('take either way half of the time where both are given', () => {
    const cut = draws(1, 1).filter(({ box: [x0, y0, x1, y1] }) => x0 < x1 && y0 < y1).length;
    // A box may be empty, seldom.
    expect(Math.abs(cut / 4000 - 0.5)).toBeLessThan(0.05);
  });
});
