import { type MaskStrategy, type SparseLayer, scope, together } from '@s2sam/core';
import { anneal } from './anneal.js';
import { checkDensity } from './checks.js';
import { countsOf, keptNow, keptOf, weightsOf } from './counts.js';
import { uniform } from './layouts.js';
import { isGlobal, type Ranking, rankedLayers, warnOfEmptyLayers } from './ranking.js';
import { magnitude } from './scores.js';
import { Times, type UpdateTimes, updatedStep } from './times.js';

export interface GradualMagnitudeOptions extends Partial<UpdateTimes> {
  /** Share of the weights kept in the end, in (0, 1]. */
  readonly density: number;
  /** Default `uniform()`; or `global()`. */
  readonly layout?: Ranking;
  /** Steps between updates; one more comes at the end of pruning. Default 1000. */
  readonly updateEvery?: number;
  /** Default 10 / 32, as in RigL's comparison. */
  readonly startAt?: number;
  /** Default 25 / 32. */
  readonly stopAt?: number;
}

/**
 * Gradual magnitude pruning (Zhu & Gupta 2018): dense at first; from `startAt` to `stopAt` the smallest weights go until the density
 * is density + (1 - density) * (1 - p)^3 at share p of that time.
 *
 * Throws ConfigError for options out of range, and while running where the layout would leave a layer without weights.
 */
export function gradualMagnitude(options: GradualMagnitudeOptions): MaskStrategy {
  const { density, layout = uniform(), updateEvery = 1000, startAt = 10 / 32, stopAt = 25 / 32 } = options;
  const name = `gradual(${layout.name})`;
  checkDensity(name, density);
  const times = new Times(name, { updateEvery, startAt, stopAt });
  const course = anneal.cubic(1, density);
  const shrink = async (layers: readonly SparseLayer[], now: number): Promise<void> => {
    if (isGlobal(layout)) {
      const ranked = rankedLayers(layout, layers);
      const scored = ranked.map((layer) => ({ mask: layer.mask, scores: magnitude(layer) }));
      await together.drop(scored, Math.max(0, keptNow(ranked) - keptOf(weightsOf(ranked), now)));
      return;
    }
    for (const [layer, kept] of countsOf(name, layout, layers, now)) {
      layer.mask.drop(magnitude(layer), Math.max(0, layer.mask.kept - kept));
    }
  };
  return {
    name,
    init: ({ layers }) => {
      if (!isGlobal(layout)) countsOf(name, layout, layers, density);
      for (const { mask } of layers) mask.fill(true);
    },
    needs: (step, length) => ({ update: times.due(step, length) || step === times.last(length) }),
    update: async (context) => {
      const step = updatedStep(context);
      const progress = step === times.last(context) ? 1 : times.progress(step, context);
      await scope(() => shrink(context.layers, course.at(progress)));
      warnOfEmptyLayers(name, context);
    },
  };
}
