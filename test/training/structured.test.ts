import {
  type ChannelFlow,
  type Classifier,
  compact,
  type Device,
  type MaskStrategy,
  type ModelOptions,
  openDevice,
  type Parameter,
  resnet20,
  resnet50,
  s2sam,
  scope,
  sgd,
  train,
  vgg19,
  wideResnet50_2,
  wideResnetCifar,
} from '@s2sam/core';
import { chase, chex } from '@s2sam/masks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect } from '../support/collect.js';
import { keyOf, order, packBits, uniform } from '../support/counter.js';
import { narrowVgg } from '../support/narrowVgg.js';
import { tinyData } from '../support/tiny.js';

const data = tinyData();
const optimizer = s2sam(sgd({ lr: 0.05, momentum: 0.9, weightDecay: 5e-4 }), { rho: 0.1 });

let device: Device;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
});
afterAll(() => device[Symbol.asyncDispose]());

const network = (): Classifier => resnet20({ device, classes: 4, width: 8, seed: 1 });

/** The bits of a mask as numbers. */
async function bits({ mask, size }: Parameter): Promise<number[]> {
  const words = await mask?.read();
  return Array.from({ length: size }, (_, i) =>
    words === undefined ? 1 : ((words[i >>> 5] as number) >>> (i & 31)) & 1,
  );
}

/** How many weights of each output (axis 0) or input (axis 1) channel are kept. */
function perChannel(kept: readonly number[], shape: readonly number[], axis: 0 | 1): number[] {
  const [outputs = 1, inputs = 1] = shape;
  const area = kept.length / (outputs * inputs);
  const counts = new Array<number>(axis === 0 ? outputs : inputs).fill(0);
  for (const [i, bit] of kept.entries()) {
    const channel = axis === 0 ? Math.floor(i / (inputs * area)) : Math.floor(i / area) % inputs;
    counts[channel] = (counts[channel] as number) + bit;
  }
  return counts;
}

/** Channels whose batch norm is masked; checks that nothing else of them is left. */
async function deadChannels({ producers, norms, consumers, channels }: ChannelFlow): Promise<number[]> {
  const gamma = await bits((norms[0] as ChannelFlow['norms'][number]).weight);
  const dead = Array.from({ length: channels }, (_, c) => c).filter((c) => gamma[c] === 0);
  for (const { weight, bias } of norms) {
    expect(await bits(weight)).toEqual(gamma);
    expect(await bits(bias)).toEqual(gamma);
    for (const { value, working } of [weight.storage, bias.storage]) {
      const [v, w] = [await value.toArray(), await working.toArray()];
      for (const c of dead) expect([v[c], w[c]]).toEqual([0, 0]);
    }
  }
  for (const { weight } of producers) {
    const rows = perChannel(await bits(weight), weight.shape, 0);
    for (const c of dead) expect(rows[c], `${weight.name} output ${c}`).toBe(0);
  }
  for (const { weight } of consumers) {
    const columns = perChannel(await bits(weight), weight.shape, 1);
    for (const c of dead) expect(columns[c], `${weight.name} input ${c}`).toBe(0);
  }
  return dead;
}

async function logits(model: Classifier, side = 8): Promise<Float32Array> {
  const x = device.tensor(uniform(keyOf(4, 'images'), 6 * 3 * side * side, -1, 1), [6, 3, side, side]);
  const y = scope(() => model.eval().forward(x));
  const values = (await y.toArray()) as Float32Array;
  y.dispose();
  x.dispose();
  return values;
}

async function expectSame(model: Classifier, small: Classifier, side?: number): Promise<void> {
  const [before, after] = [await logits(model, side), await logits(small, side)];
  const largest = Math.max(...before.map(Math.abs));
  expect(largest).toBeGreaterThan(1e-3);
  for (const [i, value] of after.entries()) {
    expect(Math.abs(value - (before[i] as number)) / largest, `logit ${i}`).toBeLessThan(1e-5);
  }
}

const parametersOf = (model: Classifier): number => model.arena.parameters.reduce((sum, { size }) => sum + size, 0);

const cases: [string, () => MaskStrategy][] = [
  ['chase', () => chase({ density: 0.3, channelSparsity: 0.4, updateEvery: 6, channelsUntil: 0.8 })],
  ['chase, sums included', () => chase({ density: 0.2, channelSparsity: 0.4, updateEvery: 6, groups: 'all' })],
  ['chex', () => chex({ channelSparsity: 0.5, updateEveryEpochs: 1, stopAt: 0.7 })],
  ['chex, sums included', () => chex({ channelSparsity: 0.4, updateEveryEpochs: 1, stopAt: 0.7, groups: 'all' })],
];

describe.each(cases)('%s', (name, make) => {
  it('removes whole channels, and compact() leaves them out', async () => {
    using model = network();
    for await (const event of train(model, { data, optimizer, sparsity: make(), steps: 42, batchSize: 16 })) {
      if (event.type === 'warning') throw new Error(event.message);
    }
    const groups = model.channelGroups().filter(({ producers }) => name.includes('sums') || producers.length === 1);
    const dead = await Promise.all(groups.map(deadChannels));
    const [gone, all] = [dead.flat().length, groups.reduce((sum, { channels }) => sum + channels, 0)];
    for (const [i, { channels }] of groups.entries()) expect(dead[i]?.length).toBeLessThan(channels);
    if (name.startsWith('chase')) {
      expect(gone).toBe(Math.floor(0.4 * all));
      const weights = model.arena.parameters.filter(({ kind }) => kind === 'weight');
      const [size, kept] = [weights.map((p) => p.size), weights.map(({ mask }) => mask?.kept ?? 0)];
      const total = size.reduce((a, b) => a + b, 0);
      const density = name.includes('sums') ? 0.2 : 0.3;
      expect(kept.reduce((a, b) => a + b, 0)).toBe(total - Math.floor((1 - density) * total + 1e-6));
    } else {
      expect(gone / all).toBeGreaterThan(0.2);
    }

    using small = await compact(model);
    expect(parametersOf(small)).toBeLessThan(parametersOf(model));
    const smaller = new Map(small.channelGroups().map(({ name, channels }) => [name, channels]));
    // More may go: a channel nobody reads is left out too.
    for (const [i, group] of groups.entries()) {
      expect(smaller.get(group.name)).toBeLessThanOrEqual(group.channels - (dead[i]?.length ?? 0));
    }
    await expectSame(model, small);
    const events = await collect(train(small, { data, optimizer, steps: 6, batchSize: 16, evaluateEvery: 0 }));
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'finished' });
  });
});

it.each([
  ['VGG-19', vgg19, 32],
  ['VGG-16 of ImageNet', narrowVgg, 224],
  ['ResNet-50', resnet50, 32],
  ['WRN-50-2', wideResnet50_2, 32],
  ['WRN-16-2', (options: ModelOptions) => wideResnetCifar({ ...options, depth: 16, width: 2 }), 32],
  ['WRN-16-1', (options: ModelOptions) => wideResnetCifar({ ...options, depth: 16, width: 1 }), 32],
] as const)('compact() narrows %s where batch norm is masked', async (_, make, side) => {
  using model = make({ device, classes: 10, seed: 2 });
  for (const { norms, channels, name } of model.channelGroups()) {
    const kept = new Float32Array(channels);
    for (const c of order(keyOf(1, name), channels).slice(0, Math.ceil(channels / 3))) kept[c] = 1;
    for (const { weight, bias } of norms) {
      for (const parameter of [weight, bias]) {
        const mask = model.arena.addMask(parameter);
        mask.write(packBits(kept));
        parameter.value.fill(parameter === weight ? 3 : 0.1);
        mask.apply(parameter.value);
      }
    }
  }
  // Biases of convolutions are taken over too.
  for (const [name, { kind, value }] of model.namedParameters()) {
    if (kind === 'bias') value.write(uniform(keyOf(3, name), value.size, -1, 1));
  }
  model.arena.resetWorking();
  using small = await compact(model);
  expect(small.channelGroups().map(({ channels }) => channels)).toEqual(
    model.channelGroups().map(({ channels }) => Math.ceil(channels / 3)),
  );
  await expectSame(model, small, side);
});

it('compact() of a network without masks changes nothing', async () => {
  using model = network();
  using small = await compact(model);
  expect(parametersOf(small)).toBe(parametersOf(model));
  expect(await logits(small)).toEqual(await logits(model));
});

it('narrowed() names unknown groups and impossible counts', () => {
  using model = network();
  expect(() => model.narrowed(new Map([['layer9', 3]]))).toThrow("resnet20 has no group 'layer9'");
  expect(() => model.narrowed(new Map([['layer1.0.conv1', 9]]))).toThrow(
    "resnet20 has 8 channels in 'layer1.0.conv1', not 9",
  );
});
