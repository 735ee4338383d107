import {
  abs,
  ConfigError,
  type Mask,
  type MaskStrategy,
  type SparseLayer,
  type StrategyContext,
  scope,
  streamKey,
} from '@s2sam/core';
import { apportion } from './apportion.js';
import { checkDensity, checkPositive, checkShare, checkWhole } from './checks.js';
import { countsOf, drawMasks, keptNow, sum } from './counts.js';
import { uniform } from './layouts.js';
import { type LayerRule, rules } from './rules.js';

/** From a share of the training on, an update every so many steps. */
export interface DsrPeriod {
  readonly from: number;
  readonly updateEvery: number;
}

export interface DsrOptions {
  /** Share of the weights of sparse layers kept, in (0, 1]. */
  readonly density: number;
  /** Layers that stay dense, on top of the density. Default `rules.mest`; ImageNet `rules.stemAndShortcuts`. */
  readonly dense?: LayerRule;
  /** Magnitude below which weights are dropped at first. Default 1e-3. */
  readonly threshold?: number;
  /** Weights an update is to replace, as a share of all that are kept in sparse layers; the threshold follows it. Default 0.02. */
  readonly replaceShare?: number;
  /** Default: every 100, 200, 400 and 800 steps from 0, 1/8, 2/5 and 7/10 of the training (CIFAR). */
  readonly periods?: readonly DsrPeriod[];
  /** Share of the training after which masks stay. Default 0.95. */
  readonly stopAt?: number;
}

const CIFAR: readonly DsrPeriod[] = [
  { from: 0, updateEvery: 100 },
  { from: 25 / 200, updateEvery: 200 },
  { from: 80 / 200, updateEvery: 400 },
  { from: 140 / 200, updateEvery: 800 },
];

/** The threshold for the next update: halved where more than 1.1 times the target were dropped, doubled below 0.9 times. */
export function adaptThreshold(threshold: number, dropped: number, target: number): number {
  if (dropped > 1.1 * target) return threshold / 2;
  return dropped < 0.9 * target ? threshold * 2 : threshold;
}

/**
 * Dynamic sparse reparameterisation (Mostafa & Wang 2019): an update, after the optimizer's step, drops the kept weights below one
 * threshold for all layers (each keeps one at least) and grows as many in total, spread over the layers by what survived in them, at
 * random positions that were not kept before, at 0. Only where all those are taken do dropped positions come back.
 *
 * Throws ConfigError for options out of range; `init` throws it where a layer would lose all weights.
 */
export function dsr(options: DsrOptions): MaskStrategy {
  const { density, dense = rules.mest, replaceShare = 0.02, periods = CIFAR, stopAt = 0.95 } = options;
  const initial = options.threshold ?? 1e-3;
  const name = 'dsr';
  checkDensity(name, density);
  checkPositive(name, 'threshold', initial);
  checkPositive(name, 'replaceShare', replaceShare);
  checkShare(name, 'stopAt', stopAt);
  checkPeriods(name, periods);
  const layout = uniform({ dense });
  let threshold = initial;
  const sparse = (layers: readonly SparseLayer[]): SparseLayer[] => {
    const full = dense.denseLayers(layers);
    return layers.filter((layer) => !full.has(layer.name));
  };
  return {
    name,
    init: ({ layers, seed }) => {
      threshold = initial;
      drawMasks(countsOf(name, layout, layers, density), seed);
    },
    needs: (step, { totalSteps }) => {
      const progress = step / totalSteps;
      const period = periods.findLast(({ from }) => progress >= from);
      const due = period !== undefined && step > 0 && step % period.updateEvery === 0;
      return { update: due && progress <= stopAt };
    },
    update: async (context) => {
      const layers = sparse(context.layers);
      const target = keptNow(layers) * replaceShare;
      const dropped = await replace(layers, threshold, context);
      threshold = adaptThreshold(threshold, dropped, target);
    },
    state: () => ({ threshold }),
    load: (state) => {
      threshold = typeof state?.threshold === 'number' ? state.threshold : initial;
    },
  };
}

/** One update; returns how many weights were replaced. */
async function replace(layers: readonly SparseLayer[], threshold: number, context: StrategyContext): Promise<number> {
  const before = layers.map(({ mask }) => mask.clone());
  try {
    await scope(() => Promise.all(layers.map(({ mask, weight }) => mask.dropBelow(abs(weight), threshold, 1))));
    const survived = layers.map(({ mask }) => mask.kept);
    const dropped = sum(before.map(({ kept }) => kept)) - sum(survived);
    const fresh = before.map(({ size, kept }) => size - kept);
    // In a nearly dense network the fresh positions may not suffice.
    const except = sum(fresh) >= dropped ? before : undefined;
    const room = except === undefined ? layers.map(({ size, mask }) => size - mask.kept) : fresh;
    for (const [i, count] of apportion(dropped, survived, room).entries()) {
      const { mask, name } = layers[i] as SparseLayer;
      mask.growRandom(count, streamKey(context.seed, `grow/${name}`, context.step), except?.[i] as Mask | undefined);
    }
    return dropped;
  } finally {
    for (const mask of before) mask[Symbol.dispose]();
  }
}

function checkPeriods(op: string, periods: readonly DsrPeriod[]): void {
  if (periods.length === 0) throw new ConfigError(`${op}: periods is empty; give at least one`, { op });
  for (const [index, { from, updateEvery }] of periods.entries()) {
    checkShare(op, `periods[${index}].from`, from);
    checkWhole(op, `periods[${index}].updateEvery`, updateEvery);
    if (index === 0 || from > (periods[index - 1] as DsrPeriod).from) continue;
    throw new ConfigError(`${op}: periods[${index}] begins at ${from}, not after the one before; sort them`, { op });
  }
}
