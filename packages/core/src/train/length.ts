import { ArgumentError } from '../errors.js';
import type { Progress } from '../optim/schedule.js';
import { positiveInteger } from '../tensor/tensor.js';
import type { TrainOptions } from './options.js';

/** Where a step lies. */
export interface Place {
  readonly round: number;
  /** From 0, over all rounds. */
  readonly epoch: number;
  /** Epoch of the round, and batch of that epoch: what the data order depends on. */
  readonly epochOfRound: number;
  readonly batch: number;
  /** What learning rate and perturbation depend on. */
  readonly progress: Progress;
}

/** Length of a training: one round, or several of the same length. */
export class TrainingLength {
  readonly stepsPerEpoch: number;
  readonly roundSteps: number;
  readonly totalSteps: number;
  readonly #epochsPerRound: number;

  /** Throws ArgumentError for options that give no length. */
  constructor(options: TrainOptions, stepImages: number) {
    this.stepsPerEpoch = stepsPerEpochOf(options, stepImages);
    this.roundSteps = roundStepsOf(options, this.stepsPerEpoch);
    const { rounds } = options.sparsity ?? {};
    this.totalSteps = this.roundSteps * positiveInteger('train', 'rounds.count', rounds?.count ?? 1);
    this.#epochsPerRound = Math.ceil(this.roundSteps / this.stepsPerEpoch);
    const { rewindStep = 0 } = rounds ?? {};
    if (!Number.isInteger(rewindStep) || rewindStep < 0 || rewindStep > this.roundSteps) {
      throw new ArgumentError(
        `train: the strategy rewinds to step ${rewindStep}, but a round has ${this.roundSteps} steps; ` +
          `it must be a whole number from 0 to ${this.roundSteps}`,
        { op: 'train' },
      );
    }
  }

  /** Of the step after `done` steps; a step that ends a round still belongs to it. */
  at(done: number): Place {
    const round = Math.floor(done / this.roundSteps);
    const step = done - round * this.roundSteps;
    const epochOfRound = Math.floor(step / this.stepsPerEpoch);
    return {
      round,
      epochOfRound,
      epoch: round * this.#epochsPerRound + epochOfRound,
      batch: step % this.stepsPerEpoch,
      progress: { step, totalSteps: this.roundSteps, stepsPerEpoch: this.stepsPerEpoch },
    };
  }

  /** Whether an epoch, or a round, is over after so many steps. */
  endsEpoch(done: number): boolean {
    const { progress, batch } = this.at(done);
    return batch === 0 || progress.step === 0;
  }
}

function stepsPerEpochOf({ data, accumulate = 1 }: TrainOptions, stepImages: number): number {
  const stepsPerEpoch = Math.floor(data.train.size / stepImages);
  if (stepsPerEpoch > 0) return stepsPerEpoch;
  throw new ArgumentError(
    `train: ${data.name} has ${data.train.size} training images, fewer than the ${stepImages} of a step; ` +
      `lower batchSize${accumulate > 1 ? ' or accumulate' : ''}`,
    { op: 'train' },
  );
}

function roundStepsOf({ epochs, steps }: TrainOptions, stepsPerEpoch: number): number {
  if ((epochs === undefined) === (steps === undefined)) {
    throw new ArgumentError('train: give either epochs or steps', { op: 'train' });
  }
  const total = steps ?? Math.round((epochs as number) * stepsPerEpoch);
  return positiveInteger('train', steps === undefined ? 'epochs' : 'steps', total);
}
