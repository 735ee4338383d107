import { readFileSync } from 'node:fs';
import type { MaskStrategy, SparseLayer, Tensor } from '@s2sam/core';
import {
  anneal,
  chase,
  chex,
  dsr,
  er,
  erk,
  global,
  gradualMagnitude,
  grasp,
  lotteryTicket,
  mest,
  rigl,
  set,
  snfs,
  snip,
} from '@s2sam/masks';
import { expect, it } from 'vitest';
import { keyOf, uniform } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { MadeUpLayers } from '../support/layers.js';

/** What NumPy made of the same weights, see `test/golden/make_mask_goldens.py`: per moment, per layer, packed bits. */
interface Traces {
  readonly seed: number;
  readonly dsrThresholds: readonly number[];
}
const golden = JSON.parse(readFileSync(new URL('../golden/data/mask_traces.json', import.meta.url), 'utf8')) as Traces &
  Record<string, number[][][]>;
const { seed } = golden;

const table = [
  ['stem.weight', [6, 3, 3, 3], 'stem'],
  ['body1.weight', [8, 6, 3, 3], 'body'],
  ['body2.weight', [8, 8, 3, 3], 'body'],
  ['fc.weight', [5, 8], 'classifier'],
] as const;

const draw = (what: string, { name, size }: Pick<SparseLayer, 'name' | 'size'>, moment: number): Float32Array =>
  uniform(keyOf(seed, `trace/${what}/${name}`, moment), size, -1, 1);

/** What the network holds at a moment. */
function fill(network: MadeUpLayers, moment: number): void {
  for (const layer of network.layers) {
    layer.weight.write(draw('weight', layer, moment));
    layer.gradient.write(draw('gradient', layer, moment));
  }
  for (const [i, { norms, channels }] of network.groups.entries()) {
    norms[0]?.gamma.weight.write(uniform(keyOf(seed, `trace/gamma/${i}`, moment), channels, -1, 1));
  }
  network.enforce();
}

interface Update {
  /** Which weights and gradients. */
  readonly moment: number;
  /** Optimizer steps done. */
  readonly step: number;
  readonly round?: number;
}

interface Case {
  readonly strategy: MaskStrategy;
  readonly updates: readonly Update[];
  readonly totalSteps?: number;
  /** Gradients that `observe` sees before each update. */
  readonly observed?: (update: Update) => readonly number[];
}

/** Updates after these steps, counted from 0; weights and gradients are named by the step. */
const after = (...steps: readonly number[]): Update[] => steps.map((step) => ({ moment: step, step: step + 1 }));
const epochs = (...numbers: readonly number[]): Update[] =>
  numbers.map((epoch) => ({ moment: epoch, step: epoch * 10 + 1 }));

const cases: Record<string, () => Case> = {
  rigl: () => ({ strategy: rigl({ density: 0.3, updateEvery: 10 }), updates: after(0, 10, 20, 30) }),
  set: () => ({ strategy: set({ density: 0.3, updateEvery: 10 }), updates: after(0, 10, 20, 30) }),
  'set by sign': () => ({
    strategy: set({ density: 0.3, layout: er(), updateEvery: 10, stopAt: 1, dropFraction: 0.3, dropBy: 'signed' }),
    updates: after(0, 10, 20),
  }),
  'mest em': () => ({ strategy: mest({ density: 0.1 }), updates: epochs(0, 5, 90, 120, 125), totalSteps: 1600 }),
  'mest em&s': () => ({
    strategy: mest({ density: 0.1, stages: 'em&s', gradientWeight: 0.5 }),
    updates: epochs(0, 5, 90, 120, 125),
    totalSteps: 1600,
  }),
  dsr: () => ({
    strategy: dsr({
      density: 0.3,
      threshold: 0.05,
      replaceShare: 0.2,
      periods: [{ from: 0, updateEvery: 10 }],
    }),
    updates: after(10, 20, 30, 40, 50),
  }),
  snfs: () => ({
    strategy: snfs({ density: 0.3, updateEvery: 10 }),
    updates: after(0, 10, 20, 30),
    observed: ({ moment }) => [0, 1, 2].map((k) => 100 * moment + k),
  }),
  gradual: () => ({
    strategy: gradualMagnitude({ density: 0.1, updateEvery: 20, startAt: 0.2, stopAt: 0.8 }),
    updates: after(20, 40, 60, 80),
  }),
  'gradual over all layers': () => ({
    strategy: gradualMagnitude({ density: 0.1, updateEvery: 20, startAt: 0.2, stopAt: 0.8, layout: global() }),
    updates: after(20, 40, 60, 80),
  }),
  lt: () => ({
    strategy: lotteryTicket({ density: 0.1, pruneFraction: 0.5 }),
    updates: [1, 2, 3, 4].map((round) => ({ moment: round, step: round * 100, round })),
  }),
  snip: () => ({ strategy: snip({ density: 0.1 }), updates: [] }),
  'snip by layers': () => ({ strategy: snip({ density: 0.1, layout: erk() }), updates: [] }),
  chase: () => ({
    strategy: chase({
      density: 0.3,
      channelSparsity: 0.4,
      updateEvery: 10,
      channelsUntil: 0.8,
      softUntil: 0.4,
      dropFraction: anneal.cosine(0.5, 0.005),
    }),
    updates: after(5, 10, 15, 20, 25, 40, 45, 50),
    observed: ({ moment }) => [moment],
  }),
  chex: () => ({
    strategy: chex({ channelSparsity: 0.5, updateEveryEpochs: 1, stopAt: 0.7 }),
    updates: [1, 2, 3, 4].map((epoch) => ({ moment: epoch, step: epoch * 10 })),
  }),
};

eachDevice('mask traces', (device) => {
  /** Masks after `init` and after each update. */
  async function run({ strategy, updates, totalSteps = 100, observed }: Case): Promise<number[][][]> {
    using network = new MadeUpLayers(device, table, seed);
    fill(network, -1);
    await strategy.init(network.context({ totalSteps, probeGradient: () => Promise.resolve() }));
    network.enforce();
    const trace = [await network.read()];
    for (const update of updates) {
      for (const moment of observed?.(update) ?? []) {
        for (const layer of network.layers) layer.gradient.write(draw('gradient', layer, moment));
        strategy.observe?.(network.context());
      }
      fill(network, update.moment);
      // Only the gradient at kept weights outlives the optimizer's step, unless that was skipped.
      const needs = strategy.needs?.(update.step - 1, { totalSteps, stepsPerEpoch: 10, round: 0 });
      if (needs?.skipOptimizerStep !== true) for (const { mask, gradient } of network.layers) mask.apply(gradient);
      if (update.round === undefined) expect(needs?.update, `update at ${update.step - 1}`).toBe(true);
      await strategy.update?.(network.context({ totalSteps, step: update.step, round: update.round ?? 0 }));
      network.enforce();
      trace.push(await network.read());
    }
    expect(network.warnings).toEqual([]);
    return trace;
  }

  it.each(Object.keys(cases))('%s', async (name) => {
    const found = await run((cases[name] as () => Case)());
    const expected = golden[name] as number[][][];
    expect(found.length).toBe(expected.length);
    for (const [i, masks] of expected.entries()) expect(found[i], `masks ${i}`).toEqual(masks);
  });

  it('dsr adapts its threshold as recorded', async () => {
    const { strategy, updates } = (cases.dsr as () => Case)();
    const thresholds: unknown[] = [];
    const { update } = strategy;
    const watched: MaskStrategy = {
      ...strategy,
      update: async (context) => {
        await update?.(context);
        thresholds.push(strategy.state?.().threshold);
      },
    };
    await run({ strategy: watched, updates });
    expect(thresholds).toEqual(golden.dsrThresholds);
  });

  it('grasp on a quadratic loss', async () => {
    using network = new MadeUpLayers(device, table, seed);
    const { layers } = network;
    fill(network, -1);
    const long = (what: string): number[] => layers.flatMap((layer) => [...draw(what, layer, -1)]);
    const [diagonal, vector] = [long('diagonal'), long('vector')];
    /** A x with A = diag(d) + uu', into the gradients: the loss is 0.5 w'Aw. */
    const multiply = async (x: readonly Tensor[]): Promise<void> => {
      const values = (await Promise.all(x.map((tensor) => tensor.toArray()))).flatMap((one) => [...one]);
      const inner = values.reduce((sum, value, i) => sum + value * (vector[i] as number), 0);
      const product = values.map((value, i) => (diagonal[i] as number) * value + inner * (vector[i] as number));
      let at = 0;
      for (const { gradient, size } of layers) {
        gradient.write(product.slice(at, at + size));
        at += size;
      }
    };
    const context = network.context({
      probeGradient: () => multiply(layers.map(({ weight }) => weight)),
      probeCurvature: ({ along }) => multiply(layers.map(({ name }) => along.get(name) as Tensor)),
    });
    await grasp({ density: 0.1, redrawClassifier: false }).init(context);
    expect(await network.read()).toEqual(golden.grasp?.[0]);
  });
});
