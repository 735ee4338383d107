import { ConfigError, type TrainingMoment } from '@s2sam/core';
import { checkShare, checkWhole } from './checks.js';

export interface UpdateTimes {
  /** Optimizer steps between two updates. */
  readonly updateEvery: number;
  /** Share of the training after which updates begin. Default 0. */
  readonly startAt?: number;
  /** Share of the training after which masks stay as they are. */
  readonly stopAt: number;
}

type Length = Pick<TrainingMoment, 'totalSteps'>;

/** When a strategy changes its masks; steps are counted from 0, the first optimizer step. */
export class Times {
  readonly #times: Required<UpdateTimes>;

  /** Throws ConfigError for shares outside 0 to 1, or where `stopAt` comes before `startAt`. */
  constructor(op: string, times: UpdateTimes) {
    const { updateEvery, startAt = 0, stopAt } = times;
    checkWhole(op, 'updateEvery', updateEvery);
    checkShare(op, 'startAt', startAt);
    checkShare(op, 'stopAt', stopAt);
    if (stopAt < startAt) {
      throw new ConfigError(`${op}: stopAt ${stopAt} comes before startAt ${startAt}; exchange them`, { op });
    }
    this.#times = { updateEvery, startAt, stopAt };
  }

  begin({ totalSteps }: Length): number {
    return Math.round(this.#times.startAt * totalSteps);
  }

  /** Last step that may be an update. */
  end({ totalSteps }: Length): number {
    return Math.round(this.#times.stopAt * totalSteps);
  }

  /** The last step of the training that may be one. */
  last(length: Length): number {
    return Math.min(this.end(length), length.totalSteps - 1);
  }

  /** Whether step t is an update: t = begin + k * updateEvery, up to and including the end. */
  due(step: number, length: Length): boolean {
    const begin = this.begin(length);
    return step >= begin && step <= this.end(length) && (step - begin) % this.#times.updateEvery === 0;
  }

  /** Where step t lies between begin and end, 0 to 1. */
  progress(step: number, length: Length): number {
    const [begin, end] = [this.begin(length), this.end(length)];
    return end === begin ? 1 : (step - begin) / (end - begin);
  }
}

/** The step after which `update` is called, from the number of steps done. */
export const updatedStep = ({ step }: Pick<TrainingMoment, 'step'>): number => step - 1;
