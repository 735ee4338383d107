import type { AnySplit, ImageDataset, TrainOptions } from '@s2sam/core';
import type { Config } from '../config/schema.js';
import { makeStrategy } from '../sparsity/settle.js';
import { makeOptimizer } from './optimizer.js';
import type { Session } from './session.js';

/** Everything `train` wants that a configuration says, its length excepted. */
export function trainOptions(config: Config, { dataset }: Session): Omit<TrainOptions, 'epochs' | 'steps'> {
  const { batchSize, labelSmoothing, augment, seed, evaluateEvery } = config.train;
  const sparsity = makeStrategy(config.sparsity);
  const { imageSizes } = config.train;
  return {
    data: dataset,
    optimizer: makeOptimizer(config.optimizer),
    ...(sparsity === undefined ? {} : { sparsity }),
    batchSize,
    labelSmoothing,
    augment,
    seed,
    evaluateEvery,
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
  const { steps, epochs = 0, batchSize } = config.train;
  return rounds(config) * (steps ?? Math.round(epochs * Math.floor(data.train.size / batchSize)));
}
