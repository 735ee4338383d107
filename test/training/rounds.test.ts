import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Classifier,
  cosine,
  type Device,
  type EpochEvent,
  type MaskEvent,
  type Optimizer,
  openDevice,
  readCheckpoint,
  type StepEvent,
  s2sam,
  sgd,
  type TrainEvent,
  type TrainOptions,
  train,
} from '@s2sam/core';
import { type LotteryTicketOptions, lotteryTicket } from '@s2sam/masks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bitsOf, collect, steps } from '../support/collect.js';
import { tinyData, tinyNet } from '../support/tiny.js';

const data = tinyData();
const base = sgd({ lr: cosine(0.05), momentum: 0.9, weightDecay: 5e-4 });

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
  folder = await mkdtemp(join(tmpdir(), 's2sam-rounds-'));
});
afterAll(async () => {
  device[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

/** Rounds at densities 1, 0.5, 0.25 and 0.2, of 10 steps: two and a half epochs. */
const options = (more: Partial<LotteryTicketOptions> = {}, optimizer: Optimizer = s2sam(base)): TrainOptions => ({
  data,
  optimizer,
  sparsity: lotteryTicket({ density: 0.2, pruneFraction: 0.5, ...more }),
  steps: 10,
  batchSize: 24,
  seed: 3,
});

async function valuesOf(model: Classifier): Promise<Map<string, readonly number[]>> {
  const parameters = [...model.namedParameters()].map(([name, { value }]) => [name, value] as const);
  const buffers = [...model.namedBuffers()].map(([name, { tensor }]) => [name, tensor] as const);
  const read = [...parameters, ...buffers].map(
    async ([name, tensor]) => [name, [...(await tensor.toArray())]] as const,
  );
  return new Map(await Promise.all(read));
}

it.each([0, 4])('rounds start from step %d of the first, under ever smaller masks', async (rewindStep) => {
  using model = tinyNet(device);
  const events: TrainEvent[] = [];
  let start = await valuesOf(model);
  for await (const event of train(model, options({ rewindStep }))) {
    events.push(event);
    // Nothing runs ahead of an epoch's end, so a run of `rewindStep` steps shows what to expect.
    if (event.type !== 'mask') continue;
    if (events.filter(({ type }) => type === 'mask').length === 1 && rewindStep > 0) {
      using other = tinyNet(device);
      const controller = new AbortController();
      const stopped = train(other, { ...options({ rewindStep }), signal: controller.signal });
      for await (const early of stopped) {
        if (early.type === 'step' && early.step === rewindStep - 1) controller.abort();
      }
      start = await valuesOf(other);
    }
    const now = await valuesOf(model);
    for (const [name, values] of now) {
      const { mask, storage } = model.namedParameters().get(name) ?? {};
      const words = await mask?.read();
      const kept = (i: number): number => (words === undefined ? 1 : ((words[i >>> 5] as number) >>> (i & 31)) & 1);
      expect(values, name).toEqual(start.get(name)?.map((value, i) => (kept(i) === 1 ? value : 0)));
      for (const tensor of [storage?.momentum, storage?.gradient]) {
        expect((await tensor?.toArray())?.every((value) => value === 0) ?? true, name).toBe(true);
      }
      if (storage !== undefined) expect([...(await storage.working.toArray())], name).toEqual(values);
    }
  }
  const densities = events
    .filter((event): event is MaskEvent => event.type === 'mask')
    .map(({ layers }) => {
      const [kept, size] = (['kept', 'size'] as const).map((what) =>
        layers.reduce((sum, layer) => sum + layer[what], 0),
      );
      return [kept, size];
    });
  const size = 432 + 3456 + 96;
  expect(densities).toEqual([
    [size / 2, size],
    [size / 4, size],
    [size - Math.floor(0.8 * size), size],
  ]);
  expect(events.at(-1)).toMatchObject({ type: 'end', step: 40, reason: 'finished' });
});

it('each round has the learning rates, images and epochs of a training', async () => {
  using model = tinyNet(device);
  const events = await collect(train(model, options()));
  const [first, ...others] = [0, 10, 20, 30].map((begin) =>
    steps(events)
      .slice(begin, begin + 10)
      .map(({ lr }) => lr),
  );
  expect(first?.[0]).toBeCloseTo(0.05, 12);
  for (const lrs of others) expect(lrs).toEqual(first);
  const epochs = events.filter((event): event is EpochEvent => event.type === 'epoch');
  expect(epochs.map(({ step }) => step)).toEqual([4, 8, 10, 14, 18, 20, 24, 28, 30, 34, 38, 40]);
  expect(epochs.map(({ epoch }) => epoch)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

it('perturbs in all rounds, or in the last alone', async () => {
  const losses = async (perturb: 'all' | 'last', optimizer: Optimizer): Promise<number[]> => {
    using model = tinyNet(device);
    return steps(await collect(train(model, options({ perturb }, optimizer)))).map(({ loss }) => loss);
  };
  const plain = await losses('all', base);
  const last = await losses('last', s2sam(base, { rho: 0.2 }));
  const all = await losses('all', s2sam(base, { rho: 0.2 }));
  expect(last.slice(0, 31)).toEqual(plain.slice(0, 31)); // the first step of a round has no gradient to perturb along
  expect(last[31]).not.toBe(plain[31]);
  expect(all[1]).not.toBe(plain[1]);
});

it.each([
  ['inside a round', 'step', 14],
  ['at the end of a round, before its masks are chosen', 'epoch', 20],
  ['at the start of a round', 'mask', 20],
] as const)('resumes %s', async (_, type, at) => {
  using straight = tinyNet(device);
  const whole = steps(await collect(train(straight, options({ rewindStep: 4 }))));
  using stopped = tinyNet(device);
  const path = join(folder, `${type}.safetensors`);
  const run = train(stopped, options({ rewindStep: 4 }));
  for await (const event of run) {
    if (event.type !== type || event.step !== at) continue;
    await run.save(path);
    break;
  }
  using resumed = tinyNet(device, { seed: 9 });
  const resume = await readCheckpoint(path);
  const after = steps(await collect(train(resumed, { ...options({ rewindStep: 4 }), resume })));
  const facts = (events: readonly StepEvent[]) => events.map(({ step, loss, lr }) => ({ step, loss, lr }));
  expect(facts(after)).toEqual(facts(whole.slice(40 - after.length)));
  expect(await bitsOf(resumed)).toEqual(await bitsOf(straight));
});

it('a run that was left early cannot be saved any more, a finished one can', async () => {
  using model = tinyNet(device);
  const left = train(model, options());
  for await (const event of left) if (event.type === 'step') break;
  await expect(left.save(join(folder, 'left.safetensors'))).rejects.toThrow(
    /^save: the run was left after \d of 40 steps, and what its mask strategy remembered is freed; save at an event/,
  );
  const finished = train(model, options());
  await collect(finished);
  const path = join(folder, 'finished.safetensors');
  await finished.save(path);
  expect((await readCheckpoint(path)).position).toMatchObject({ step: 40, round: 3 });
});

it('refuses to rewind past the end of a round', () => {
  using model = tinyNet(device);
  expect(() => train(model, options({ rewindStep: 11 }))).toThrow(
    'train: the strategy rewinds to step 11, but a round has 10 steps; it must be a whole number from 0 to 10',
  );
});
