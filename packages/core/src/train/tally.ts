import type { TrainingPosition } from '../io/checkpoint.js';
import type { OptimizerCounts } from '../optim/state.js';
import type { StepResult } from './step.js';

/** Sums over the steps of an epoch. */
export interface EpochSums {
  loss: number;
  correct: number;
  steps: number;
}

type Counted = Pick<
  TrainingPosition,
  'counts' | 'epochLoss' | 'epochCorrect' | 'epochSteps' | 'trainSeconds' | 'bestTestAccuracy'
>;

/** What a training counts; goes on where a checkpoint was written. */
export class Tally {
  /** Training time so far, seconds. */
  trainSeconds: number;
  bestTestAccuracy: number | undefined;
  lastTestAccuracy: number | undefined;
  #sums: EpochSums;
  #counts: OptimizerCounts;

  constructor(position: Counted | undefined) {
    this.trainSeconds = position?.trainSeconds ?? 0;
    this.bestTestAccuracy = position?.bestTestAccuracy ?? undefined;
    this.#sums = {
      loss: position?.epochLoss ?? 0,
      correct: position?.epochCorrect ?? 0,
      steps: position?.epochSteps ?? 0,
    };
    this.#counts = position?.counts ?? { skippedSteps: 0, skippedPerturbations: 0, lossScale: 0, goodSteps: 0 };
  }

  /** Counts a step, to the epoch that runs now, once it is done. */
  counting(result: Promise<StepResult>): Promise<StepResult> {
    const sums = this.#sums;
    return result.then((value) => {
      sums.loss += value.loss;
      sums.correct += value.correct;
      sums.steps += 1;
      this.#counts = value;
      return value;
    });
  }

  /** Sums of the epoch, all steps of which are done; the next begins. */
  closeEpoch(): EpochSums {
    const sums = this.#sums;
    this.#sums = { loss: 0, correct: 0, steps: 0 };
    return sums;
  }

  tested(accuracy: number): void {
    this.lastTestAccuracy = accuracy;
    this.bestTestAccuracy = Math.max(this.bestTestAccuracy ?? 0, accuracy);
  }

  /** For a checkpoint. */
  get counted(): Counted {
    const { skippedSteps, skippedPerturbations, lossScale, goodSteps } = this.#counts;
    return {
      counts: { skippedSteps, skippedPerturbations, lossScale, goodSteps },
      epochLoss: this.#sums.loss,
      epochCorrect: this.#sums.correct,
      epochSteps: this.#sums.steps,
      trainSeconds: this.trainSeconds,
      bestTestAccuracy: this.bestTestAccuracy ?? null,
    };
  }
}
