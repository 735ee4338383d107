import type { Checkpoint } from '../io/checkpoint.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { MaskStrategy } from '../sparsity/strategy.js';
import type { AnySplit, ImageDataset } from './data.js';
import type { TrainEvent } from './events.js';

export interface TrainOptions {
  readonly data: ImageDataset<AnySplit>;
  readonly optimizer: Optimizer;
  /** Default: dense. */
  readonly sparsity?: MaskStrategy;
  /** Length of the training; give exactly one of the two. A fraction of an epoch is rounded to whole steps. */
  readonly epochs?: number;
  readonly steps?: number;
  /** Default 128. The last, smaller batch of an epoch is left out. */
  readonly batchSize?: number;
  /** Default 0. */
  readonly labelSmoothing?: number;
  /**
   * Height and width of the training images by epoch, for streamed data sets (progressive resizing). Default: those of the data set, at
   * which networks are tested in any case.
   */
  readonly imageSize?: (epoch: number) => number;
  /** Random crop and flip as the data set says. Default true. */
  readonly augment?: boolean;
  /** Data order, augmentation and masks (the model has a seed of its own). Default 0. */
  readonly seed?: number;
  /** Evaluate on the test split after every so many epochs and at the end; 0: never. Default 1. */
  readonly evaluateEvery?: number;
  /** Finishes the running step, then ends the run with `reason: 'aborted'`. */
  readonly signal?: AbortSignal;
  /** Go on where this checkpoint was written; the model, optimizer, data and lengths must be the same. */
  readonly resume?: Checkpoint;
}

/**
 * A training in progress. Iterate it once; leaving the loop early stops the training and frees what it holds. The model keeps the
 * state it has then.
 */
export interface Run extends AsyncIterable<TrainEvent> {
  /**
   * Writes weights, masks, momentum, previous gradient, random state and position to `path` (safetensors), under a temporary name
   * first. May be called at any event, and after the last step. `extra` is kept as is in the checkpoint. Throws IoError, and
   * ArgumentError for a run with a mask strategy that was left before its last step.
   */
  save(path: string, extra?: Readonly<Record<string, string>>): Promise<void>;
}
