import { type Layout, type MaskStrategy, scope } from '@s2sam/core';
import { type Anneal, anneal, toFraction } from './anneal.js';
import { checkDensity } from './checks.js';
import { countsOf, drawMasks, shareOf } from './counts.js';
import { erk } from './layouts.js';
import { gradientMagnitude, magnitude } from './scores.js';
import { Times, type UpdateTimes, updatedStep } from './times.js';

export interface RiglOptions extends Partial<UpdateTimes> {
  /** Share of the weights kept, in (0, 1]. */
  readonly density: number;
  /** How the density is spread over layers. Default `erk()`; the paper's other one is `uniform({ dense: rules.stem })`. */
  readonly layout?: Layout;
  /** Steps between updates. Default 100. */
  readonly updateEvery?: number;
  /** Share of the training after which masks stay. Default 0.75. */
  readonly stopAt?: number;
  /** Share of a layer's kept weights that an update replaces. Default cosine from 0.3 to 0. */
  readonly dropFraction?: number | Anneal;
}

/**
 * RigL (Evci et al. 2020): random masks at first; each update drops the kept weights of smallest magnitude, n = floor(fraction *
 * kept) per layer, and grows as many where the dense gradient of that step is largest. Weights just dropped may be grown again
 * and then keep value and momentum; new ones start at 0. An update takes the place of the optimizer's step, also at step 0.
 *
 * Throws ConfigError for options out of range; `init` throws it where the layout cannot meet the density.
 */
export function rigl(options: RiglOptions): MaskStrategy {
  const { density, layout = erk(), updateEvery = 100, startAt = 0, stopAt = 0.75 } = options;
  const name = `rigl(${layout.name})`;
  checkDensity(name, density);
  const times = new Times(name, { updateEvery, startAt, stopAt });
  const fraction = toFraction(name, options.dropFraction ?? anneal.cosine(0.3));
  return {
    name,
    init: ({ layers, seed }) => drawMasks(countsOf(name, layout, layers, density), seed),
    needs: (step, length) =>
      times.due(step, length) ? { denseGradient: true, skipOptimizerStep: true, update: true } : {},
    update: (context) =>
      scope(() => {
        const share = fraction.at(times.progress(updatedStep(context), context));
        for (const layer of context.layers) {
          const { mask } = layer;
          const count = mask.full ? 0 : shareOf(mask.kept, share);
          mask.drop(magnitude(layer), count);
          mask.grow(gradientMagnitude(layer), count);
        }
      }),
  };
}
