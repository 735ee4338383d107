import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Classifier,
  type Device,
  type EndEvent,
  type LayerDensity,
  type MaskEvent,
  type MaskStrategy,
  type Optimizer,
  openDevice,
  readCheckpoint,
  type StartEvent,
  s2sam,
  sam,
  sgd,
  type TrainEvent,
  train,
} from '@s2sam/core';
import { erk, rigl, staticRandom } from '@s2sam/masks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tinyData, tinyNet } from '../support/tiny.js';

const data = tinyData();
const base = sgd({ lr: 0.05, momentum: 0.9 });
const options = { data, batchSize: 20, seed: 3 } as const;
const dynamic = (): MaskStrategy => rigl({ density: 0.3, layout: erk(), updateEvery: 10, startAt: 0.1, stopAt: 1 });

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
  folder = await mkdtemp(join(tmpdir(), 's2sam-accounting-'));
});
afterAll(async () => {
  device[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

/** Multiply-adds of the tiny network for an 8x8 image, by hand: 64 places, 16 places, 1. */
const macs = new Map([
  ['conv1.weight', 16 * 3 * 9 * 64],
  ['conv2.weight', 24 * 16 * 9 * 16],
  ['fc.weight', 24 * 4],
]);
const DENSE = 2 * [...macs.values()].reduce((sum, value) => sum + value, 0);
const sparseFlops = (layers: readonly LayerDensity[]): number =>
  layers.reduce((sum, { name, density }) => sum + 2 * (macs.get(name) as number) * density, 0);

type Bits = ReadonlyMap<string, boolean[]>;

async function masksOf(model: Classifier): Promise<Bits> {
  const found = new Map<string, boolean[]>();
  for (const [name, { mask, size }] of model.namedParameters()) {
    if (mask === undefined) continue;
    const words = await mask.read();
    found.set(
      name,
      Array.from({ length: size }, (_, i) => (((words[i >>> 5] as number) >>> (i & 31)) & 1) === 1),
    );
  }
  return found;
}

const count = (bits: readonly boolean[], accept: (i: number) => boolean = (i) => bits[i] as boolean): number =>
  bits.reduce((sum, _, i) => sum + (accept(i) ? 1 : 0), 0);

describe('what a training reports of its masks', () => {
  it('churn and exploration are those of the masks read back', async () => {
    using model = tinyNet(device);
    const ever = new Map<string, boolean[]>();
    let before: Bits = new Map();
    let updates = 0;
    for await (const event of train(model, { ...options, optimizer: s2sam(base), sparsity: dynamic(), steps: 40 })) {
      if (event.type !== 'start' && event.type !== 'mask') continue;
      const now = await masksOf(model);
      for (const [name, bits] of now)
        ever.set(
          name,
          bits.map((kept, i) => kept || ever.get(name)?.[i] === true),
        );
      if (event.type === 'mask') {
        updates += 1;
        for (const { name, dropped, grown, kept } of event.layers) {
          const [old, bits] = [before.get(name) as boolean[], now.get(name) as boolean[]];
          expect(dropped, name).toBe(count(old, (i) => old[i] === true && bits[i] === false));
          expect(grown, name).toBe(count(old, (i) => old[i] === false && bits[i] === true));
          expect(kept, name).toBe(count(bits));
        }
        const all = [...ever.values()].flat();
        expect(event.explored).toBeCloseTo(count(all) / all.length, 12);
      }
      before = now;
    }
    expect(updates).toBe(4);
    expect(count([...ever.values()].flat())).toBeGreaterThan(count([...before.values()].flat()));
  });

  it('of masks that stay, exactly the kept weights were ever alive', async () => {
    using model = tinyNet(device);
    const sparsity = staticRandom({ density: 0.3 });
    const events = await all(train(model, { ...options, optimizer: base, sparsity, steps: 3 }));
    const [start, end] = [events[0] as StartEvent, events.at(-1) as EndEvent];
    expect(end.explored).toBeCloseTo(start.density, 12);
    expect(start.checksum).toMatch(/^[0-9a-f]{16}$/);
    using twin = tinyNet(device);
    const again = await all(train(twin, { ...options, optimizer: sam(base), sparsity, steps: 1 }));
    expect((again[0] as StartEvent).checksum).toBe(start.checksum);
    using other = tinyNet(device);
    const seeded = await all(train(other, { ...options, seed: 4, optimizer: base, sparsity, steps: 1 }));
    expect((seeded[0] as StartEvent).checksum).not.toBe(start.checksum);
  });
});

async function all(run: AsyncIterable<TrainEvent>): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

describe('FLOPs of a training', () => {
  /** Added up from the events: the density of each step, dense gradients where RigL updates. */
  function expected(events: readonly TrainEvent[], passes: number, ignoresMasks = false): number {
    const start = events[0] as StartEvent;
    const updates = new Map(events.flatMap((event) => (event.type === 'mask' ? [[event.step, event]] : [])));
    let sparse = sparseFlops(start.layers);
    let total = 0;
    for (let step = 1; step <= start.totalSteps; step++) {
      const update = updates.get(step) as MaskEvent | undefined;
      const [forward, weights] = ignoresMasks ? [DENSE, DENSE] : [sparse, update === undefined ? sparse : DENSE];
      total += start.batchSize * passes * (2 * forward + weights);
      if (update !== undefined) sparse = sparseFlops(update.layers);
    }
    return total;
  }

  it.each<[string, Optimizer, number, boolean]>([
    ['SGD', base, 1, false],
    ['S2-SAM', s2sam(base), 1, false],
    ['S2-SAM whose perturbation ignores masks', s2sam(base, { policy: 'dense' }), 1, true],
    ['SAM', sam(base), 2, false],
  ])('RigL with %s', async (_, optimizer, passes, ignoresMasks) => {
    using model = tinyNet(device);
    const events = await all(train(model, { ...options, optimizer, sparsity: dynamic(), steps: 25 }));
    const [start, end] = [events[0] as StartEvent, events.at(-1) as EndEvent];
    expect(start.flops.dense).toBe(DENSE);
    expect(start.flops.sparse).toBeCloseTo(sparseFlops(start.layers), 6);
    expect(end.flops).toEqual(start.flops);
    expect(end.trainFlops / expected(events, passes, ignoresMasks)).toBeCloseTo(1, 12);
  });

  it('dense, 3 forward passes per image', async () => {
    using model = tinyNet(device);
    const end = (await all(train(model, { ...options, optimizer: base, steps: 7 }))).at(-1) as EndEvent;
    expect(end).toMatchObject({ trainFlops: 7 * 20 * 3 * DENSE, explored: 1, flops: { sparse: DENSE, dense: DENSE } });
  });

  it('with a density that changes, each step at its own', async () => {
    /** Half of what is kept goes after every fourth step. */
    const halving: MaskStrategy = {
      name: 'halving',
      init: ({ layers }) => {
        for (const { mask } of layers) mask.fill(true);
      },
      needs: (step) => ({ update: step % 4 === 3 }),
      update: ({ layers }) => {
        for (const { mask, weight } of layers) mask.drop(weight, Math.floor(mask.kept / 2));
      },
    };
    using model = tinyNet(device);
    const events = await all(train(model, { ...options, optimizer: base, sparsity: halving, steps: 12 }));
    // 4 steps each at density 1, 1/2, 1/4; every size of the tiny network is divisible by 4.
    const end = events.at(-1) as EndEvent;
    expect(end.trainFlops).toBeCloseTo(20 * 3 * DENSE * 4 * (1 + 1 / 2 + 1 / 4), 3);
    expect(end.explored).toBe(1);
  });
});

it('exploration and FLOPs go on after resume as if nothing had happened', async () => {
  const run = { ...options, optimizer: s2sam(base), steps: 40 } as const;
  using straight = tinyNet(device);
  const whole = await all(train(straight, { ...run, sparsity: dynamic() }));
  using first = tinyNet(device);
  const controller = new AbortController();
  const stopped = train(first, { ...run, sparsity: dynamic(), signal: controller.signal });
  const path = join(folder, 'stopped.safetensors');
  for await (const event of stopped) {
    if (event.type === 'step' && event.step === 19) controller.abort();
    if (event.type === 'end') await stopped.save(path);
  }
  using second = tinyNet(device);
  const rest = await all(train(second, { ...run, sparsity: dynamic(), resume: await readCheckpoint(path) }));
  const masks = (events: readonly TrainEvent[]): unknown[] =>
    events.filter((event) => event.type === 'mask' && event.step > 20);
  expect(masks(rest)).toEqual(masks(whole));
  expect(masks(rest).length).toBeGreaterThanOrEqual(2);
  const { explored, trainFlops } = whole.at(-1) as EndEvent;
  expect(rest.at(-1)).toMatchObject({ explored, trainFlops });
});
