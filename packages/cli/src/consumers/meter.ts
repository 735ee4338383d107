import type { StepEvent } from '@s2sam/core';

/** What happened since the last `take`, over all its steps. */
export interface Interval {
  readonly steps: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly gradNorm: number;
  /** Images of all steps over their wall time. */
  readonly imagesPerSecond: number;
  /** Share of the wall time spent waiting for input, 0..1. */
  readonly dataWait: number;
}

const zero = { steps: 0, loss: 0, accuracy: 0, gradNorm: 0, images: 0, ms: 0, waitMs: 0 };

/** Averages step events between two log lines. */
export class Meter {
  #sum = { ...zero };

  add(event: StepEvent): void {
    const sum = this.#sum;
    sum.steps += 1;
    sum.loss += event.loss;
    sum.accuracy += event.accuracy;
    sum.gradNorm += event.gradNorm;
    sum.images += (event.imagesPerSecond * event.stepMs) / 1000;
    sum.ms += event.stepMs;
    sum.waitMs += event.dataWaitMs;
  }

  get steps(): number {
    return this.#sum.steps;
  }

  /** The averages, and a fresh start. */
  take(): Interval {
    const { steps, loss, accuracy, gradNorm, images, ms, waitMs } = this.#sum;
    this.#sum = { ...zero };
    const n = Math.max(1, steps);
    const time = Math.max(ms, 1e-9);
    return {
      steps,
      loss: loss / n,
      accuracy: accuracy / n,
      gradNorm: gradNorm / n,
      imagesPerSecond: (images * 1000) / time,
      dataWait: waitMs / time,
    };
  }
}
