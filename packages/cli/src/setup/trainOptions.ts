import type { AnySplit, ImageDataset, TrainOptions } from '@s2sam/core';
import type { Config } from '../config/schema.js';
import { makeStrategy } from '../sparsity/settle.js';
import { makeOptimizer } from './optimizer.js';
import type { Session } from './session.js';

/** Everything `train` wants that a configuration says, its length excepted. */
export function trainOptions(config: Config, { dataset }: Session): Omit<TrainOptions, 'epochs' | 'steps'> {
  const { imageSizes, ema, emaWarmup, epochs: _, steps: _steps, timeBudget: _budget, ...same } = config.train;
  const sparsity = makeStrategy(config.sparsity);
  return {
    data: dataset,
    optimizer: makeOptimizer(config.optimizer),
    ...(sparsity === undefined ? {} : { sparsity }),
    ...same,
    ...(ema === 0 ? {} : { ema: { decay: ema, warmup: emaWarmup } }),
    ...(imageSizes.length === 0 ? {} : { imageSize: sizeAt(imageSizes) }),
  };
}

/** The size that the last entry at or before an epoch names. */
const sizeAt =
  (sizes: readonly (readonly [epoch: number, size: number])[]) =>
  (epoch: number): number =>
    (sizes.findLast(([from]) => from <= epoch) ?? (sizes[0] as readonly [number, number]))[1];

/** The length of a configuration whose time budget has been settled. */
export function length({ train }: Config): { epochs: number } | { steps: number } {
  if (train.epochs !== undefined) return { epochs: train.epochs };
  return { steps: train.steps as number };
}

/** Times the training is repeated: the rounds of lottery tickets, else 1. */
export const rounds = ({ sparsity }: Config): number => makeStrategy(sparsity)?.rounds?.count ?? 1;

/** Steps of the whole training, all rounds. */
export function totalSteps(config: Config, data: ImageDataset<AnySplit>): number {
  const { steps, epochs = 0, batchSize, accumulate } = config.train;
  const perEpoch = Math.floor(data.train.size / (batchSize * accumulate));
  return rounds(config) * (steps ?? Math.round(epochs * perEpoch));
}
