import { type Layout, type MaskStrategy, type SparseLayer, scaleShift, scope, streamKey } from '@s2sam/core';
import { type Anneal, anneal, toFraction } from './anneal.js';
import { checkDensity } from './checks.js';
import { countsOf, drawMasks, shareOf } from './counts.js';
import { erk } from './layouts.js';
import { magnitude } from './scores.js';
import { Times, type UpdateTimes, updatedStep } from './times.js';

export interface SetOptions extends Partial<UpdateTimes> {
  /** Share of the weights kept, in (0, 1]. */
  readonly density: number;
  /** How the density is spread over layers. Default `erk()`; the original has `er()`. */
  readonly layout?: Layout;
  /** Steps between updates. Default 100; ITOP has 1500, the original one epoch. */
  readonly updateEvery?: number;
  /** Share of the training after which masks stay. Default 0.75; ITOP and the original never stop (1). */
  readonly stopAt?: number;
  /** Share of a layer's kept weights that an update replaces. Default cosine from 0.3 to 0; ITOP `anneal.cosine(0.5, 0.005)`. */
  readonly dropFraction?: number | Anneal;
  /**
   * `magnitude` (default): the smallest |w|. `signed`, the original: that share of the smallest positive and of the largest
   * negative weights; a kept weight of exactly 0 counts among the negative.
   */
  readonly dropBy?: 'magnitude' | 'signed';
}

/**
 * SET (Mocanu et al. 2018): random masks at first; each update, after the optimizer's step, drops small weights and grows as many
 * per layer at random positions that are not kept, at 0. With defaults it is the SET of RigL's comparison.
 *
 * Throws ConfigError for options out of range; `init` throws it where the layout cannot meet the density.
 */
export function set(options: SetOptions): MaskStrategy {
  const { density, layout = erk(), updateEvery = 100, startAt = 0, stopAt = 0.75, dropBy = 'magnitude' } = options;
  const name = `set(${layout.name})`;
  checkDensity(name, density);
  const times = new Times(name, { updateEvery, startAt, stopAt });
  const fraction = toFraction(name, options.dropFraction ?? anneal.cosine(0.3));
  const drop = dropBy === 'signed' ? dropSigned : dropSmallest;
  return {
    name,
    init: ({ layers, seed }) => drawMasks(countsOf(name, layout, layers, density), seed),
    needs: (step, length) => ({ update: times.due(step, length) }),
    update: (context) =>
      scope(async () => {
        const { layers, seed, step } = context;
        const share = fraction.at(times.progress(updatedStep(context), context));
        for (const layer of layers) {
          const { mask } = layer;
          if (mask.full) continue;
          const before = mask.kept;
          await drop(layer, share);
          mask.growRandom(before - mask.kept, streamKey(seed, `grow/${layer.name}`, step));
        }
      }),
  };
}

async function dropSmallest(layer: SparseLayer, share: number): Promise<void> {
  layer.mask.drop(magnitude(layer), shareOf(layer.mask.kept, share));
}

async function dropSigned({ mask, weight }: SparseLayer, share: number): Promise<void> {
  using positive = mask.clone();
  using negative = mask.clone();
  await positive.dropBelow(weight, 2 ** -149); // the smallest positive float
  await negative.subtract(positive);
  positive.drop(weight, shareOf(positive.kept, share));
  negative.drop(scaleShift(weight, -1, 0), shareOf(negative.kept, share));
  mask.copyFrom(positive);
  await mask.unite(negative);
}
