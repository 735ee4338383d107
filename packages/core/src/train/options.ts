import type { Checkpoint } from '../io/checkpoint.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { MaskStrategy } from '../sparsity/strategy.js';
import type { AnySplit, ImageDataset } from './data.js';
import type { EmaOptions } from './ema.js';
import type { TrainEvent } from './events.js';

export interface TrainOptions {
  readonly data: ImageDataset<AnySplit>;
  readonly optimizer: Optimizer;
  /** Default: dense. */
  readonly sparsity?: MaskStrategy;
  /** Length of the training; give exactly one of the two. A fraction of an epoch is rounded to whole steps. */
  readonly epochs?: number;
  readonly steps?: number;
  /** Images of one forward and backward pass. Default 128. The last images of an epoch that make no whole step are left out. */
  readonly batchSize?: number;
  /**
   * Gradient accumulation: micro-batches of `batchSize` images whose gradients a step averages, each with batch statistics of its own.
   * The perturbation of SAM and S2-SAM is that of the whole step. Default 1.
   */
  readonly accumulate?: number;
  /** Default 0. */
  readonly labelSmoothing?: number;
  /**
   * Mix every image with another of its micro-batch, and the loss likewise: alpha of the Beta(alpha, alpha) that the share is drawn from,
   * once for a micro-batch. Mixup (Zhang et al. 2018) adds pixels, CutMix (Yun et al. 2019) replaces a box; given both, either is taken
   * with probability 1/2. Default 0: off.
   */
  readonly mixup?: number;
  readonly cutmix?: number;
  /** Keep a moving average of weights and statistics, and evaluate it too. Default: none. */
  readonly ema?: EmaOptions;
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
