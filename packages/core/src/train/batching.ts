import { positiveInteger } from '../tensor/tensor.js';
import type { TrainOptions } from './options.js';

/** How many images a step takes. */
export interface Batching {
  /** Images of a micro-batch: one forward and backward pass. */
  readonly batchSize: number;
  /** Micro-batches of a step. */
  readonly accumulate: number;
  /** Images of a step. */
  readonly images: number;
}

/** Throws ArgumentError for numbers that are not whole and positive. */
export function batchingOf(options: TrainOptions): Batching {
  const batchSize = positiveInteger('train', 'batchSize', options.batchSize ?? 128);
  const accumulate = positiveInteger('train', 'accumulate', options.accumulate ?? 1);
  return { batchSize, accumulate, images: batchSize * accumulate };
}
