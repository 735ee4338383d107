import { type Layout, type SparseLayer, type StrategyContext, scope, type Tensor, together } from '@s2sam/core';
import { countsOf, keptOf, weightsOf } from './counts.js';
import { type LayerRule, rules } from './rules.js';

/** All sparse layers are ranked together: how many weights each keeps is an outcome. */
export interface GlobalRanking {
  readonly kind: 'global';
  readonly name: string;
  readonly dense: LayerRule;
}

export interface GlobalOptions {
  /** Layers that stay dense, on top of the density asked for. Default `rules.none`. */
  readonly dense?: LayerRule;
}

/** Ranks the weights of all layers together. N weights keep N - floor((1 - density) * N). */
export function global(options: GlobalOptions = {}): GlobalRanking {
  const { dense = rules.none } = options;
  return { kind: 'global', name: dense === rules.none ? 'global' : `global(${dense.name})`, dense };
}

/** How many weights stay: per layer, or of all layers together. */
export type Ranking = Layout | GlobalRanking;

export const isGlobal = (ranking: Ranking): ranking is GlobalRanking => 'kind' in ranking;

/** The layers a global ranking is about. */
export function rankedLayers(ranking: GlobalRanking, layers: readonly SparseLayer[]): SparseLayer[] {
  const dense = ranking.dense.denseLayers(layers);
  return layers.filter(({ name }) => !dense.has(name));
}

/**
 * Keeps the weights with the largest scores, exactly as many as the density says. Warns of a layer that loses all of its weights
 * in a global ranking; throws ConfigError where a layout leaves a layer none.
 */
export async function keepLargest(
  op: string,
  context: StrategyContext,
  options: { readonly density: number; readonly ranking: Ranking },
  scoreOf: (layer: SparseLayer) => Tensor,
): Promise<void> {
  const { layers } = context;
  const { density, ranking } = options;
  await scope(async () => {
    if (!isGlobal(ranking)) {
      for (const [layer, kept] of countsOf(op, ranking, layers, density)) layer.mask.topK(scoreOf(layer), kept);
      return;
    }
    const ranked = rankedLayers(ranking, layers);
    const scored = ranked.map((layer) => ({ mask: layer.mask, scores: scoreOf(layer) }));
    await together.topK(scored, keptOf(weightsOf(ranked), density));
  });
  warnOfEmptyLayers(op, context);
}

/** A network with an empty layer hardly trains (layer collapse). */
export function warnOfEmptyLayers(op: string, { layers, warn }: StrategyContext): void {
  for (const { name, size, mask } of layers) {
    if (mask.kept > 0) continue;
    warn(`${op}: layer '${name}' lost all of its ${size} weights; raise the density or rank layer by layer`);
  }
}
