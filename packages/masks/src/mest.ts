import {
  abs,
  add,
  ConfigError,
  type MaskStrategy,
  type SparseLayer,
  scaleShift,
  scope,
  streamKey,
  type Tensor,
} from '@s2sam/core';
import { checkDensity, checkWhole } from './checks.js';
import { type Count, countsOf } from './counts.js';
import { uniform } from './layouts.js';
import { type LayerRule, rules } from './rules.js';
import { magnitude } from './scores.js';

/** What each sparse layer is dropped to and grown to at an update, as densities, until a share of the training is over. */
export interface MestStage {
  /** Share of the training at which the stage ends; the last ends at 1. */
  readonly until: number;
  /** Density after dropping. */
  readonly dropTo: number;
  /** Density after growing, that of training until the next update. At least `dropTo`. */
  readonly growTo: number;
}

const [FIRST, SECOND] = [90 / 160, 120 / 160];

const stages = (dropTo: readonly [number, number, number], growTo: readonly [number, number, number]): MestStage[] =>
  [FIRST, SECOND, 1].map((until, i) => ({ until, dropTo: dropTo[i] as number, growTo: growTo[i] as number }));

/** Whose released stages to use; they differ at density 0.02. */
export type MestNetwork = 'resnet' | 'vgg';

const near = (a: number, b: number): boolean => Math.abs(a - b) < 1e-9;

/**
 * Elastic mutation (EM): the memory of the target density always, a mutation that shrinks to nothing. The released settings at 0.1,
 * 0.05 and 0.02; at other densities those of 0.1 in proportion.
 */
export function elasticMutation(density: number, network: MestNetwork = 'resnet'): MestStage[] {
  const always = [density, density, density] as const;
  if (near(density, 0.05)) return stages([0.04, 0.045, 0.05], always);
  if (near(density, 0.02)) return stages(network === 'vgg' ? [0.01, 0.015, 0.02] : [0.018, 0.019, 0.02], always);
  return stages([0.8 * density, 0.9 * density, density], always);
}

/**
 * Elastic mutation with a soft memory bound (EM&S): denser than the target until the last stage. The released settings at 0.1, 0.05
 * and 0.02; at other densities those of 0.1 in proportion, at most 1.
 */
export function softMemoryBound(density: number, network: MestNetwork = 'resnet'): MestStage[] {
  const always = [density, density, density] as const;
  if (near(density, 0.05)) return stages(always, [0.1, 0.075, 0.05]);
  if (near(density, 0.02)) return stages(always, network === 'vgg' ? [0.07, 0.045, 0.02] : [0.07, 0.04, 0.02]);
  return stages(always, [Math.min(1, 1.5 * density), Math.min(1, 1.25 * density), density]);
}

/** Mean of `growTo` over the training: what the FLOPs of training follow. */
export function meanDensity(stages: readonly MestStage[]): number {
  return stages.reduce((sum, { until, growTo }, i) => sum + (until - (stages[i - 1]?.until ?? 0)) * growTo, 0);
}

export interface MestOptions {
  /** Share of the weights of sparse layers kept in the end, in (0, 1]. */
  readonly density: number;
  /** `em` (default), `em&s`, or stages of your own. */
  readonly stages?: 'em' | 'em&s' | readonly MestStage[];
  /** Whose released stages `em` and `em&s` are. Default `resnet`. */
  readonly network?: MestNetwork;
  /** Layers that stay dense, on top of the density. Default `rules.mest`. */
  readonly dense?: LayerRule;
  /** Epochs between updates. Default 5. */
  readonly updateEveryEpochs?: number;
  /** lambda in the importance |w| + lambda * |dL/dw|. Default 0, as in the released code. */
  readonly gradientWeight?: number;
}

/**
 * MEST (Yuan et al. 2021): the largest initial weights at first; an update, after the first step of every fifth epoch (the first
 * included), drops each sparse layer to a density and grows it to another at random, at 0. Counts are exact where the released code
 * compares with a percentile.
 *
 * Throws ConfigError for stages that do not fit together; `init` throws it where a layer would lose all weights.
 */
export function mest(options: MestOptions): MaskStrategy {
  const { density, dense = rules.mest, updateEveryEpochs = 5, gradientWeight = 0 } = options;
  const name = `mest(${typeof options.stages === 'object' ? 'stages' : (options.stages ?? 'em')})`;
  checkDensity(name, density);
  checkWhole(name, 'updateEveryEpochs', updateEveryEpochs);
  const plan = stagesOf(name, options);
  const layout = uniform({ dense });
  const importance = (layer: SparseLayer): Tensor =>
    gradientWeight === 0
      ? magnitude(layer)
      : add(abs(layer.weight), scaleShift(abs(layer.gradient), gradientWeight, 0));
  return {
    name,
    init: ({ layers }) =>
      scope(() => {
        // Every count of every stage is checked before the first mask is touched.
        for (const { dropTo, growTo } of plan) for (const d of [dropTo, growTo]) countsOf(name, layout, layers, d);
        for (const [layer, kept] of countsOf(name, layout, layers, density)) layer.mask.topK(magnitude(layer), kept);
      }),
    needs: (step, { stepsPerEpoch }) => ({ update: step % (updateEveryEpochs * stepsPerEpoch) === 0 }),
    update: ({ layers, seed, step, totalSteps }) =>
      scope(() => {
        const { dropTo, growTo } = stageAt(plan, (step - 1) / totalSteps);
        const targets = countsOf(name, layout, layers, growTo);
        for (const [index, [layer, least]] of countsOf(name, layout, layers, dropTo).entries()) {
          const { mask } = layer;
          mask.drop(importance(layer), Math.max(0, mask.kept - least));
          const [, target] = targets[index] as Count;
          mask.growRandom(Math.max(0, target - mask.kept), streamKey(seed, `grow/${layer.name}`, step));
        }
      }),
  };
}

const stageAt = (stages: readonly MestStage[], progress: number): MestStage =>
  stages.find(({ until }) => progress < until) ?? (stages.at(-1) as MestStage);

function stagesOf(op: string, { density, stages: wish = 'em', network }: MestOptions): readonly MestStage[] {
  if (wish === 'em') return elasticMutation(density, network);
  if (wish === 'em&s') return softMemoryBound(density, network);
  for (const [index, { until, dropTo, growTo }] of wish.entries()) {
    checkDensity(op, dropTo, `stages[${index}].dropTo`);
    checkDensity(op, growTo, `stages[${index}].growTo`);
    const before = wish[index - 1]?.until ?? 0;
    if (dropTo <= growTo && until > before && until <= 1) continue;
    throw new ConfigError(
      `${op}: stages[${index}] goes from ${before} to ${until} and drops to ${dropTo}, grows to ${growTo}; ` +
        'stages must follow each other up to 1, and grow to at least what they drop to',
      { op },
    );
  }
  const last = wish.at(-1);
  if (last !== undefined && last.until === 1 && near(last.growTo, density)) return wish;
  throw new ConfigError(
    `${op}: the last stage ends at ${last?.until} with density ${last?.growTo}; it must end at 1 with ${density}`,
    { op },
  );
}
