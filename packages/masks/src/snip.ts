import type { MaskStrategy } from '@s2sam/core';
import { checkDensity } from './checks.js';
import { global, keepLargest, type Ranking } from './ranking.js';
import { type Redraw, redraw } from './redraw.js';
import { sensitivity } from './scores.js';

export interface SnipOptions {
  /** Share of the weights kept, in (0, 1]. */
  readonly density: number;
  /** `global()` (default) ranks all weights together; a layout ranks within layers, as in RigL's comparison. */
  readonly layout?: Ranking;
  /** Training batches whose gradient is averaged. Default 1. */
  readonly batches?: number;
  /** Weights that are scored: those that will be trained (default), or other ones drawn for the scoring alone. */
  readonly scoredWeights?: 'trained' | Redraw;
  /** Batch norm while scoring. Default `batch`; the original has `running`. */
  readonly statistics?: 'batch' | 'running';
  /** Augment the images that are scored. Default true, as in the PyTorch port; the original does not. */
  readonly augment?: boolean;
}

/** What the authors' own code does where the usual port differs; biases are never masked here. */
export const snipOriginal = { scoredWeights: 'varianceScaling', statistics: 'running', augment: false } as const;

/**
 * SNIP (Lee et al. 2019): before training, keeps the weights with the largest |w * dL/dw|, and never changes the masks. Warns of
 * a layer that loses all of its weights.
 *
 * Throws ConfigError for a density outside (0, 1]; `init` throws it where a layout would leave a layer without weights.
 */
export function snip(options: SnipOptions): MaskStrategy {
  const { density, layout = global(), batches = 1, scoredWeights = 'trained', statistics, augment } = options;
  const name = `snip(${layout.name})`;
  checkDensity(name, density);
  return {
    name,
    async init(context) {
      if (scoredWeights !== 'trained') redraw(context.layers, scoredWeights, context.seed);
      await context.probeGradient({
        batches,
        ...(statistics === undefined ? {} : { statistics }),
        ...(augment === undefined ? {} : { augment }),
      });
      await keepLargest(name, context, { density, ranking: layout }, sensitivity);
    },
  };
}
