import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Classifier,
  type Device,
  type MaskEvent,
  type MaskStrategy,
  openDevice,
  type Parameter,
  readCheckpoint,
  resnet20,
  type StartEvent,
  s2sam,
  sgd,
  type TrainEvent,
  type TrainOptions,
  train,
} from '@s2sam/core';
import {
  chase,
  chex,
  dsr,
  erk,
  global,
  gradualMagnitude,
  grasp,
  type LayerShape,
  lotteryTicket,
  mest,
  rigl,
  set,
  snfs,
  snip,
  staticRandom,
} from '@s2sam/masks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bitsOf, collect } from '../support/collect.js';
import { tinyData } from '../support/tiny.js';

const data = tinyData();
const optimizer = s2sam(sgd({ lr: 0.05, momentum: 0.9, weightDecay: 5e-4 }), { rho: 0.1 });
/** 6 steps make an epoch. */
const common = { data, optimizer, batchSize: 16, seed: 3, evaluateEvery: 0 };

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
  folder = await mkdtemp(join(tmpdir(), 's2sam-strategies-'));
});
afterAll(async () => {
  device[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

const network = (): Classifier => resnet20({ device, classes: 4, width: 8, seed: 1 });

interface Method {
  readonly make: () => MaskStrategy;
  readonly steps: number;
  /** Mask events of the whole run. */
  readonly updates: number;
  /** Whether the number of kept weights is the same after every update. */
  readonly constant?: true;
  /** Weights kept in the end, of these layers. */
  readonly final: ((layers: readonly LayerShape[]) => number) | undefined;
  /** Grown weights start at 0. */
  readonly grownAtZero?: false;
}

const density = 0.1;
const sum = (counts: Iterable<number>): number => [...counts].reduce((a, b) => a + b, 0);
const byErk = (layers: readonly LayerShape[]): number => sum(erk().allocate(layers, density).values());
const uniformly = (layers: readonly LayerShape[]): number =>
  sum(layers.map(({ size }) => size - Math.floor(0.9 * size)));
const byMest = (layers: readonly LayerShape[]): number =>
  sum(layers.map(({ size, role }) => (role === 'body' ? size - Math.floor(0.9 * size) : size)));
const together = (layers: readonly LayerShape[]): number => {
  const size = sum(layers.map((layer) => layer.size));
  return size - Math.floor(0.9 * size);
};

const methods: Record<string, Method> = {
  static: { make: () => staticRandom({ density }), steps: 12, updates: 0, constant: true, final: byErk },
  snip: { make: () => snip({ density }), steps: 12, updates: 0, constant: true, final: together },
  'snip by layers': {
    make: () => snip({ density, layout: erk() }),
    steps: 12,
    updates: 0,
    constant: true,
    final: byErk,
  },
  grasp: { make: () => grasp({ density }), steps: 12, updates: 0, constant: true, final: together },
  // Steps 0, 5, 10, 15 and 20; 22 is the last that may be one.
  rigl: { make: () => rigl({ density, updateEvery: 5 }), steps: 30, updates: 5, constant: true, final: byErk },
  set: { make: () => set({ density, updateEvery: 5 }), steps: 30, updates: 5, constant: true, final: byErk },
  'set by sign': {
    make: () => set({ density, updateEvery: 5, dropBy: 'signed', dropFraction: 0.3, stopAt: 1 }),
    steps: 30,
    updates: 6,
    constant: true,
    final: byErk,
  },
  'mest em': {
    make: () => mest({ density, updateEveryEpochs: 1 }),
    steps: 36,
    updates: 6,
    constant: true,
    final: byMest,
  },
  'mest em&s': {
    make: () => mest({ density, stages: 'em&s', updateEveryEpochs: 1 }),
    steps: 36,
    updates: 6,
    final: byMest,
  },
  dsr: {
    make: () => dsr({ density, periods: [{ from: 0, updateEvery: 5 }], threshold: 0.02 }),
    steps: 30,
    updates: 5,
    constant: true,
    final: byMest,
  },
  snfs: { make: () => snfs({ density, updateEvery: 5 }), steps: 30, updates: 6, constant: true, final: byErk },
  gradual: {
    make: () => gradualMagnitude({ density, updateEvery: 5, startAt: 0.2, stopAt: 0.8 }),
    steps: 30,
    updates: 5,
    final: uniformly,
  },
  'gradual over all layers': {
    make: () => gradualMagnitude({ density, updateEvery: 5, startAt: 0.2, stopAt: 0.8, layout: global() }),
    steps: 30,
    updates: 5,
    final: together,
  },
  'gradual to the very end': {
    make: () => gradualMagnitude({ density, updateEvery: 10, startAt: 0.2, stopAt: 1 }),
    steps: 30,
    // After steps 6, 16, 26 and the last one, 29.
    updates: 4,
    final: uniformly,
  },
  // 1, 0.5, 0.25, 0.125, 0.1: four rounds after the first.
  lt: { make: () => lotteryTicket({ density, pruneFraction: 0.5 }), steps: 8, updates: 4, final: together },
  chase: {
    make: () => chase({ density, channelSparsity: 0.4, updateEvery: 6, softUntil: 0.4 }),
    steps: 36,
    // Weights after steps 6, 12, ..., 30, channels after 3, 9, ..., 27 and after the last time, 29 of 29.25.
    updates: 11,
    final: together,
  },
  chex: {
    make: () => chex({ channelSparsity: 0.5, updateEveryEpochs: 1, stopAt: 0.7 }),
    steps: 36,
    updates: 4,
    final: undefined,
    grownAtZero: false,
  },
};

const isKept = (words: Uint32Array, i: number): boolean => (((words[i >>> 5] as number) >>> (i & 31)) & 1) === 1;

/** Checks a parameter after an update, given the mask before it; returns the mask now. */
async function checkParameter(parameter: Parameter, before: Uint32Array | undefined, grownAtZero: boolean) {
  const { name, mask, size, storage } = parameter;
  if (mask === undefined) throw new Error(`${name} has no mask`);
  const now = await mask.read();
  const [value, momentum, gradient, working] = await Promise.all(
    (['value', 'momentum', 'gradient', 'working'] as const).map((what) => storage[what].toArray()),
  );
  const wrong: string[] = [];
  let kept = 0;
  for (let i = 0; i < size; i++) {
    const [v, m, g, w] = [value?.[i], momentum?.[i], gradient?.[i], working?.[i]];
    kept += isKept(now, i) ? 1 : 0;
    if (!isKept(now, i)) {
      if (v !== 0 || m !== 0 || g !== 0 || w !== 0) wrong.push(`${name}[${i}] masked: ${v} ${m} ${g} ${w}`);
    } else if (before !== undefined && !isKept(before, i)) {
      if (m !== 0 || g !== 0 || w !== v || (grownAtZero && v !== 0))
        wrong.push(`${name}[${i}] grown: ${v} ${m} ${g} ${w}`);
    }
  }
  expect(wrong.slice(0, 3)).toEqual([]);
  expect(mask.kept, name).toBe(kept);
  return now;
}

const masked = (model: Classifier): Parameter[] =>
  [...model.namedParameters().values()].filter(({ mask }) => mask !== undefined);

const weightsKept = (event: StartEvent | MaskEvent): number => event.layers.reduce((sum, { kept }) => sum + kept, 0);

describe.each(Object.entries(methods))('%s', (_name, { make, steps, updates, constant, final, grownAtZero = true }) => {
  it('has exact counts; dropped and grown weights, momentum, gradient and perturbation are 0', async () => {
    using model = network();
    const before = new Map<string, Uint32Array>();
    const totals: number[] = [];
    let masks = 0;
    for await (const event of train(model, { ...common, sparsity: make(), steps })) {
      if (event.type === 'warning') throw new Error(event.message);
      if (event.type !== 'start' && event.type !== 'mask') continue;
      masks += event.type === 'mask' ? 1 : 0;
      totals.push(weightsKept(event));
      for (const parameter of masked(model)) {
        before.set(parameter.name, await checkParameter(parameter, before.get(parameter.name), grownAtZero));
      }
    }
    expect(masks).toBe(updates);
    if (constant === true) expect(new Set(totals).size).toBe(1);
    const layers = model.arena.parameters
      .filter(({ kind }) => kind === 'weight')
      .map(({ name, shape, size, role }): LayerShape => ({ name, shape, size, role, kind: 'conv2d' }));
    if (final !== undefined) expect(totals.at(-1)).toBe(final(layers));
  });

  it('stops, resumes and equals the whole training bit for bit', async () => {
    const options = (): TrainOptions => ({ ...common, sparsity: make(), steps });
    const checksums = (events: readonly TrainEvent[]) =>
      events.filter((event): event is MaskEvent => event.type === 'mask').map(({ step, checksum }) => [step, checksum]);
    using straight = network();
    const whole = checksums(await collect(train(straight, options())));

    const path = join(folder, `${_name.replace(/\W/g, '')}.safetensors`);
    using stopped = network();
    const controller = new AbortController();
    const run = train(stopped, { ...options(), signal: controller.signal });
    const before: TrainEvent[] = [];
    for await (const event of run) {
      before.push(event);
      if (event.type === 'step' && event.step === Math.floor(steps / 2) - 1) controller.abort();
      if (event.type === 'end') await run.save(path);
    }
    using resumed = network();
    const after = await collect(train(resumed, { ...options(), resume: await readCheckpoint(path) }));
    expect(checksums([...before, ...after])).toEqual(whole);
    expect(await bitsOf(resumed)).toEqual(await bitsOf(straight));
  });
});
