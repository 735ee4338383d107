import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  cosine,
  type Device,
  loadWeights,
  type MaskStrategy,
  type Optimizer,
  openDevice,
  readCheckpoint,
  type StepEvent,
  s2sam,
  sam,
  sgd,
  streamKey,
  train,
} from '@s2sam/core';
import { erk, staticRandom } from '@s2sam/masks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bitsOf, collect, steps } from '../support/collect.js';
import { tinyData, tinyNet } from '../support/tiny.js';

const data = tinyData();
const base = sgd({ lr: cosine(0.05, { warmupEpochs: 2 }), momentum: 0.9, nesterov: true, weightDecay: 5e-4 });

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
  folder = await mkdtemp(join(tmpdir(), 's2sam-resume-'));
});
afterAll(async () => {
  device[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

/** Drops and regrows a fifth of each layer every 10 steps, by gradient, skipping the optimizer's step: what RigL asks of core. */
const dynamic = (): MaskStrategy => {
  const start = staticRandom({ density: 0.3, layout: erk() });
  return {
    name: 'dynamic',
    init: (context) => start.init(context),
    needs: (step) => (step % 10 === 3 ? { denseGradient: true, skipOptimizerStep: true, update: true } : {}),
    update: ({ layers, seed, step }) => {
      for (const { mask, weight, gradient, name } of layers) {
        if (mask.full) continue;
        const count = Math.floor(mask.kept / 5);
        mask.drop(weight, count);
        mask.grow(gradient, count - 1);
        mask.growRandom(1, streamKey(seed, name, step));
      }
    },
  };
};

const cases: [string, Optimizer, () => MaskStrategy][] = [
  ['s2sam, static masks', s2sam(base), () => staticRandom({ density: 0.3, layout: erk() })],
  ['adaptive s2sam, static masks', s2sam(base, { adaptive: true, rho: 1 }), () => staticRandom({ density: 0.3 })],
  ['dense-policy s2sam', s2sam(base, { policy: 'dense' }), () => staticRandom({ density: 0.3 })],
  ['sam, static masks', sam(base), () => staticRandom({ density: 0.3 })],
  ['s2sam, dynamic masks', s2sam(base), dynamic],
];

describe('resume', () => {
  it.each(cases)('%s: 50 steps, stop, 50 steps equals 100 steps bit for bit', async (name, optimizer, sparsity) => {
    const options = { data, optimizer, steps: 100, batchSize: 20, labelSmoothing: 0.1, seed: 3 };
    using straight = tinyNet(device);
    const whole = steps(await collect(train(straight, { ...options, sparsity: sparsity() })));

    const path = join(folder, `${name}.safetensors`);
    using stopped = tinyNet(device);
    const controller = new AbortController();
    const run = train(stopped, { ...options, sparsity: sparsity(), signal: controller.signal });
    const before: StepEvent[] = [];
    for await (const event of run) {
      if (event.type === 'step') before.push(event);
      if (event.type === 'step' && event.step === 49) controller.abort();
      if (event.type === 'end') {
        expect(event).toMatchObject({ reason: 'aborted', step: 50 });
        await run.save(path);
      }
    }
    using resumed = tinyNet(device, { seed: 99 });
    const resume = await readCheckpoint(path);
    const after = steps(await collect(train(resumed, { ...options, sparsity: sparsity(), resume })));

    const facts = (events: StepEvent[]) => events.map(({ step, loss, gradNorm, lr }) => ({ step, loss, gradNorm, lr }));
    expect(facts([...before, ...after])).toEqual(facts(whole));
    expect(await bitsOf(resumed)).toEqual(await bitsOf(straight));
  });

  it('may be saved at any event, in the middle of the pipeline', async () => {
    const options = { data, optimizer: s2sam(base), steps: 30, batchSize: 20, seed: 3 };
    using straight = tinyNet(device);
    await collect(train(straight, options));
    using saved = tinyNet(device);
    const run = train(saved, options);
    const path = join(folder, 'middle.safetensors');
    for await (const event of run) if (event.type === 'step' && event.step === 11) await run.save(path);
    using resumed = tinyNet(device);
    const events = await collect(train(resumed, { ...options, resume: await readCheckpoint(path) }));
    expect(events.at(-1)).toMatchObject({ type: 'end', step: 30 });
    expect(await bitsOf(resumed)).toEqual(await bitsOf(straight));
    expect(await bitsOf(saved)).toEqual(await bitsOf(straight));
  });

  it('may be saved at any event around an update of the masks', async () => {
    const options = { data, optimizer: s2sam(base), steps: 20, batchSize: 20, seed: 3, evaluateEvery: 0 };
    using straight = tinyNet(device);
    await collect(train(straight, { ...options, sparsity: dynamic() }));
    // Steps 4 and 14 update; the events around them are those of the steps before and behind, too.
    const moments = ['step 3', 'step 4', 'mask 4', 'step 5', 'step 12', 'step 13', 'step 14', 'mask 14', 'step 15'];
    for (const moment of moments) {
      using saved = tinyNet(device);
      const run = train(saved, { ...options, sparsity: dynamic() });
      const path = join(folder, `${moment}.safetensors`);
      for await (const event of run) {
        if ('step' in event && `${event.type} ${event.step}` === moment) await run.save(path);
      }
      using resumed = tinyNet(device);
      await collect(train(resumed, { ...options, sparsity: dynamic(), resume: await readCheckpoint(path) }));
      expect(await bitsOf(resumed), moment).toEqual(await bitsOf(straight));
    }
  });

  it('refuses a checkpoint of another model or training and leaves the model unchanged', async () => {
    const path = join(folder, 'other.safetensors');
    using model = tinyNet(device);
    const run = train(model, { data, optimizer: base, steps: 2, batchSize: 20 });
    await collect(run);
    await run.save(path);
    const checkpoint = await readCheckpoint(path);
    using other = tinyNet(device, { classes: 6 });
    const before = await bitsOf(other);
    expect(() => loadWeights(other, checkpoint)).toThrow(
      expect.objectContaining({
        code: 'ERR_CHECKPOINT',
        message: expect.stringMatching(/fc\.weight.*\[4,24\].*\[6,24\]/),
      }),
    );
    expect(await bitsOf(other)).toEqual(before);
    expect(() => train(model, { data, optimizer: s2sam(base), steps: 4, batchSize: 20, resume: checkpoint })).toThrow(
      expect.objectContaining({
        code: 'ERR_CHECKPOINT',
        message: expect.stringContaining('optimizer sgd there, s2sam(sgd) here'),
      }),
    );
  });
});

describe('a dynamic strategy', () => {
  it('keeps exact counts; dropped and grown weights, momentum and perturbation are 0 after each update', async () => {
    using model = tinyNet(device);
    const before = new Map<string, Uint32Array>();
    const run = train(model, { data, optimizer: s2sam(base), sparsity: dynamic(), steps: 30, batchSize: 20 });
    let updates = 0;
    for await (const event of run) {
      if (event.type === 'start' || event.type === 'mask') {
        updates += event.type === 'mask' ? 1 : 0;
        for (const [name, { mask, storage, size }] of model.namedParameters()) {
          if (mask === undefined) continue;
          const now = await mask.read();
          const bit = (words: Uint32Array, i: number): boolean => (((words[i >>> 5] as number) >>> (i & 31)) & 1) === 1;
          const old = before.get(name);
          const [value, momentum, working] = [
            await storage.value.toArray(),
            await storage.momentum.toArray(),
            await storage.working.toArray(),
          ];
          let kept = 0;
          for (let i = 0; i < size; i++) {
            kept += bit(now, i) ? 1 : 0;
            if (bit(now, i) && (old === undefined || bit(old, i))) continue;
            expect([value[i], momentum[i], working[i]], `${name}[${i}]`).toEqual([0, 0, 0]);
          }
          expect(kept).toBe(mask.kept);
          before.set(name, now);
        }
      }
    }
    expect(updates).toBe(3);
  });
});

describe('probeGradient', () => {
  it('gives the dense gradient before step 0 and changes nothing else', async () => {
    const start = () => staticRandom({ density: 0.3, layout: erk() });
    let atMasked = 0;
    const probing: MaskStrategy = {
      name: 'static(erk)',
      init: async (context) => {
        await start().init(context);
        await context.probeGradient({ batches: 2 });
        for (const { mask, gradient } of context.layers) {
          const words = await mask.read();
          const values = await gradient.toArray();
          atMasked += values.filter((g, i) => g !== 0 && (((words[i >>> 5] as number) >>> (i & 31)) & 1) === 0).length;
        }
      },
    };
    const options = { data, optimizer: s2sam(base), steps: 8, batchSize: 20 };
    using plain = tinyNet(device);
    using probed = tinyNet(device);
    await collect(train(plain, { ...options, sparsity: start() }));
    await collect(train(probed, { ...options, sparsity: probing }));
    expect(atMasked).toBeGreaterThan(0);
    expect(await bitsOf(probed)).toEqual(await bitsOf(plain));
  });
});
