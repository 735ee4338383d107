import { ConfigError, type MaskStrategy, scope, together } from '@s2sam/core';
import { checkDensity, checkWhole } from './checks.js';
import { keptNow, keptOf, weightsOf } from './counts.js';
import { global, rankedLayers, warnOfEmptyLayers } from './ranking.js';
import { type LayerRule, rules } from './rules.js';
import { magnitude } from './scores.js';

export interface LotteryTicketOptions {
  /** Share of the weights kept in the last round, in (0, 1]. */
  readonly density: number;
  /** Share of the kept weights that each round removes. Default 0.2. */
  readonly pruneFraction?: number;
  /** Rounds start from the weights after so many steps of the first; default 0, the initial ones. */
  readonly rewindStep?: number;
  /** In which rounds a sharpness-aware optimizer perturbs; in the others it is its base. Default `all`. */
  readonly perturb?: 'all' | 'last';
  /** Layers that stay dense, on top of the density asked for. Default `rules.none`. */
  readonly dense?: LayerRule;
}

/** Rounds it takes: their densities are 1, 1 - f, (1 - f)^2, ... until the target is reached. */
export function roundsTo(density: number, pruneFraction = 0.2): number {
  return 1 + Math.ceil(Math.log(density) / Math.log(1 - pruneFraction) - 1e-9);
}

/** Weights kept in each round, of `size`: the first is dense, the last has exactly the density. */
export function lotteryRounds(size: number, density: number, pruneFraction = 0.2): number[] {
  const rounds = roundsTo(density, pruneFraction);
  return Array.from({ length: rounds }, (_, round) =>
    keptOf(size, round === rounds - 1 ? density : (1 - pruneFraction) ** round),
  );
}

/**
 * Lottery tickets (Frankle & Carbin 2019) by iterative magnitude pruning: trains as often as it takes, each time as long as asked
 * for; between two rounds the smallest of the kept weights go, ranked over all layers together, and the rest goes back to an early
 * state. Warns of a layer that loses all weights.
 *
 * Throws ConfigError for options out of range.
 */
export function lotteryTicket(options: LotteryTicketOptions): MaskStrategy {
  const { density, pruneFraction = 0.2, rewindStep = 0, perturb = 'all', dense = rules.none } = options;
  const name = 'lt';
  checkDensity(name, density);
  checkWhole(name, 'rewindStep', rewindStep, 0);
  if (!(pruneFraction > 0 && pruneFraction < 1)) {
    throw new ConfigError(`${name}: pruneFraction is ${pruneFraction}; it must be above 0 and below 1`, { op: name });
  }
  const count = roundsTo(density, pruneFraction);
  const ranking = global({ dense });
  return {
    name,
    rounds: { count, rewindStep },
    init: ({ layers }) => {
      ranking.dense.denseLayers(layers);
      for (const { mask } of layers) mask.fill(true);
    },
    needs: (_step, { round }) => ({ plain: perturb === 'last' && round < count - 1 }),
    update: async (context) => {
      const layers = rankedLayers(ranking, context.layers);
      const kept = lotteryRounds(weightsOf(layers), density, pruneFraction)[context.round] as number;
      await scope(async () => {
        const scored = layers.map((layer) => ({ mask: layer.mask, scores: magnitude(layer) }));
        await together.drop(scored, keptNow(layers) - kept);
      });
      warnOfEmptyLayers(name, context);
    },
  };
}
