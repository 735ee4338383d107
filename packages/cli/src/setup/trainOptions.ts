import type { ImageDataset, TrainOptions } from '@s2sam/core';
import type { Config } from '../config/schema.js';
import { makeOptimizer } from './optimizer.js';
import type { Session } from './session.js';
import { makeSparsity } from './sparsity.js';

/** Everything `train` wants that a configuration says, its length excepted. */
export function trainOptions(config: Config, { dataset }: Session): Omit<TrainOptions, 'epochs' | 'steps'> {
  const { batchSize, labelSmoothing, augment, seed, evaluateEvery } = config.train;
  const sparsity = makeSparsity(config.sparsity);
  return {
    data: dataset,
    optimizer: makeOptimizer(config.optimizer),
    ...(sparsity === undefined ? {} : { sparsity }),
    batchSize,
    labelSmoothing,
    augment,
    seed,
    evaluateEvery,
  };
}

/** The length of a configuration whose time budget has been settled. */
export function length({ train }: Config): { epochs: number } | { steps: number } {
  if (train.epochs !== undefined) return { epochs: train.epochs };
  return { steps: train.steps as number };
}

/** Steps of the whole training. */
export const totalSteps = ({ train }: Config, data: ImageDataset): number =>
  train.steps ?? Math.round((train.epochs ?? 0) * Math.floor(data.train.size / train.batchSize));
