import type { FloatName } from '@s2sam/native';
import { ArgumentError, CheckpointError } from '../errors.js';
import type { TrainingPosition } from '../io/checkpoint.js';
import type { Classifier } from '../models/classifier.js';
import type { TrainOptions } from './options.js';

/** What two runs must share for one to continue the other. */
export interface Description {
  readonly optimizer: string;
  readonly sparsity: string;
  readonly batchSize: number;
  readonly accumulate: number;
  /** Decay of the moving average; 0: there is none. */
  readonly ema: number;
  readonly seed: number;
  readonly dtype: FloatName;
  readonly datasetName: string;
}

/** Model and data must have the same channels and classes. */
export function checkModel(model: Classifier, { data }: TrainOptions): void {
  if (data.classes === model.classes && data.imageShape[0] === model.channels) return;
  throw new ArgumentError(
    `train: ${model.name} takes ${model.channels} channels and ${model.classes} classes, but ${data.name} has ` +
      `${data.imageShape[0]} and ${data.classes}; make the model for this data set`,
    { op: 'train' },
  );
}

/** A model can be tested on images of as many classes as it has. Throws ArgumentError for `op`. */
export function checkClasses(
  op: string,
  model: Classifier,
  { name, classes }: Pick<TrainOptions['data'], 'name' | 'classes'>,
): void {
  if (classes === model.classes) return;
  throw new ArgumentError(
    `${op}: the model has ${model.classes} classes but ${name} has ${classes}; they must be equal`,
    { op },
  );
}

/** Throws ArgumentError for numbers out of their range. */
export function checkOptions({ mixup = 0, cutmix = 0, ema }: TrainOptions): void {
  for (const [name, alpha] of Object.entries({ mixup, cutmix })) {
    if (alpha >= 0 && Number.isFinite(alpha)) continue;
    throw new ArgumentError(
      `train: ${name} is ${alpha}; give the alpha of a Beta distribution, above 0, or 0 for none`,
      {
        op: 'train',
      },
    );
  }
  if (ema === undefined || (ema.decay > 0 && ema.decay < 1)) return;
  throw new ArgumentError(`train: ema.decay is ${ema.decay}; it must lie between 0 and 1, as 0.9999 does`, {
    op: 'train',
  });
}

/** Only the training that wrote a checkpoint may go on from it. */
export function checkResume(found: TrainingPosition, totalSteps: number, wanted: Description): void {
  const pairs: [string, unknown, unknown][] = [
    ['dataset', found.dataset, wanted.datasetName],
    ['optimizer', found.optimizer, wanted.optimizer],
    ['sparsity', found.sparsity, wanted.sparsity],
    ['batchSize', found.batchSize, wanted.batchSize],
    ['accumulate', found.accumulate, wanted.accumulate],
    ['ema', found.ema, wanted.ema],
    ['seed', found.seed, wanted.seed],
    ['dtype', found.dtype, wanted.dtype],
  ];
  const different = pairs
    .filter(([, a, b]) => a !== b)
    .map(([name, a, b]) => `${name} ${String(a)} there, ${String(b)} here`);
  if (found.step > totalSteps) different.push(`it has done ${found.step} steps, more than the ${totalSteps} asked for`);
  if (different.length === 0) return;
  throw new CheckpointError(`resume: the checkpoint is of another training: ${different.join('; ')}`, { op: 'train' });
}
