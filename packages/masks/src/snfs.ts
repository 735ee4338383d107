import {
  abs,
  type Layout,
  type MaskStrategy,
  type SparseLayer,
  type StrategyContext,
  scope,
  sum,
  type Tensor,
} from '@s2sam/core';
import { type Anneal, anneal, toFraction } from './anneal.js';
import { apportion } from './apportion.js';
import { checkDensity, checkShare } from './checks.js';
import { countsOf, drawMasks, keptNow, shareOf } from './counts.js';
import { erk } from './layouts.js';
import { magnitude } from './scores.js';
import { Times, type UpdateTimes, updatedStep } from './times.js';

export interface SnfsOptions extends Partial<UpdateTimes> {
  /** Share of the weights kept, in (0, 1]. */
  readonly density: number;
  /** How the density is spread over layers at first. Default `erk()`. */
  readonly layout?: Layout;
  /** Steps between updates. Default 100; the paper has one epoch. */
  readonly updateEvery?: number;
  /** Share of the training after which masks stay. Default 1. */
  readonly stopAt?: number;
  /** Share of a layer's kept weights that an update drops. Default cosine from 0.5 to 0. */
  readonly dropFraction?: number | Anneal;
  /** Smoothing of the gradient: m = smoothing * m + (1 - smoothing) * g at every step. Default 0.9. */
  readonly smoothing?: number;
}

/**
 * Sparse networks from scratch (Dettmers & Zettlemoyer 2019): every step smooths the dense gradient; an update, after the optimizer's
 * step, drops the smallest kept weights of each layer and grows as many in total, spread over the layers by the mean smoothed
 * gradient of their kept weights, where the smoothed gradient is largest, at 0. Costs a dense weight gradient at every step.
 *
 * Throws ConfigError for options out of range; `init` throws it where the layout cannot meet the density.
 */
export function snfs(options: SnfsOptions): MaskStrategy {
  const { density, layout = erk(), updateEvery = 100, startAt = 0, stopAt = 1, smoothing = 0.9 } = options;
  const name = `snfs(${layout.name})`;
  checkDensity(name, density);
  checkShare(name, 'smoothing', smoothing);
  const times = new Times(name, { updateEvery, startAt, stopAt });
  const fraction = toFraction(name, options.dropFraction ?? anneal.cosine(0.5));
  return {
    name,
    init: (context) => {
      smoothedOf(context);
      drawMasks(countsOf(name, layout, context.layers, density), context.seed);
    },
    needs: (step, length) =>
      step > times.end(length) ? {} : { denseGradient: true, observe: true, update: times.due(step, length) },
    observe: (context) => {
      for (const [i, smoothed] of smoothedOf(context).entries()) {
        const { gradient } = context.layers[i] as SparseLayer;
        addInto(smoothed, smoothing - 1, smoothed);
        addInto(gradient, 1 - smoothing, smoothed);
      }
    },
    update: (context) => scope(() => replace(context, fraction.at(times.progress(updatedStep(context), context)))),
  };
}

const smoothedOf = ({ layers, memory }: Pick<StrategyContext, 'layers' | 'memory'>): Tensor[] =>
  layers.map(({ name, shape }) => memory(`gradient.${name}`, shape));

async function replace(context: StrategyContext, share: number): Promise<void> {
  const { layers } = context;
  const smoothed = smoothedOf(context).map(abs);
  const before = keptNow(layers);
  for (const layer of layers) layer.mask.drop(magnitude(layer), shareOf(layer.mask.kept, share));
  const means = await Promise.all(layers.map(({ mask }, i) => meanOfKept(mask, smoothed[i] as Tensor)));
  const room = layers.map(({ size, mask }) => size - mask.kept);
  for (const [i, count] of apportion(before - keptNow(layers), means, room).entries()) {
    layers[i]?.mask.grow(smoothed[i] as Tensor, count);
  }
}

async function meanOfKept(mask: SparseLayer['mask'], values: Tensor): Promise<number> {
  if (mask.kept === 0) return 0;
  const kept = values.device.zeros(values.shape, { activation: false });
  mask.apply(values, kept);
  return (await sum(kept).item()) / mask.kept;
}

const addInto = (x: Tensor, scale: number, y: Tensor): void => x.device.native.addInto(x.handle, scale, y.handle);
