import { ArgumentError } from '../errors.js';

/** Where a training is. */
export interface Progress {
  /** Optimizer steps done before this one, from 0. */
  readonly step: number;
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
}

/** A value per step: a pure function, so resume needs no state. */
export interface Schedule {
  readonly name: string;
  at(progress: Progress): number;
}

export interface WarmupOptions {
  /** Linear warm-up from `warmupStart` times the first value, in epochs. Default 0. */
  readonly warmupEpochs?: number;
  /** Factor at step 0. Default 0: the first step of n takes 1/n of the value. */
  readonly warmupStart?: number;
}

const check = (name: string, what: string, value: number, ok: boolean): void => {
  if (!ok) throw new ArgumentError(`${name}: ${what} is ${value}; it must be a finite number >= 0`, { op: name });
};

/** A schedule that runs `after` once its warm-up is over; `after` sees the steps and the total without the warm-up. */
function withWarmup(name: string, options: WarmupOptions, after: (progress: Progress) => number): Schedule {
  const { warmupEpochs = 0, warmupStart = 0 } = options;
  check(name, 'warmupEpochs', warmupEpochs, Number.isFinite(warmupEpochs) && warmupEpochs >= 0);
  check(name, 'warmupStart', warmupStart, Number.isFinite(warmupStart) && warmupStart >= 0);
  return {
    name,
    at: ({ step, totalSteps, stepsPerEpoch }) => {
      const warmup = Math.min(Math.round(warmupEpochs * stepsPerEpoch), totalSteps);
      const rest = { step: Math.max(0, step - warmup), totalSteps: Math.max(1, totalSteps - warmup), stepsPerEpoch };
      if (step >= warmup) return after(rest);
      return after(rest) * (warmupStart + (1 - warmupStart) * ((step + 1) / warmup));
    },
  };
}

/** The same value at every step. */
export function constant(value: number, options: WarmupOptions = {}): Schedule {
  check('constant', 'value', value, Number.isFinite(value) && value >= 0);
  return withWarmup('constant', options, () => value);
}

/** end + (peak - end) * (1 + cos(pi * step / totalSteps)) / 2, stepped every iteration (Loshchilov & Hutter 2017, eq. 5). */
export function cosine(peak: number, options: WarmupOptions & { readonly end?: number } = {}): Schedule {
  const { end = 0 } = options;
  check('cosine', 'peak', peak, Number.isFinite(peak) && peak >= 0);
  check('cosine', 'end', end, Number.isFinite(end) && end >= 0);
  return withWarmup('cosine', options, ({ step, totalSteps }) => {
    return end + ((peak - end) * (1 + Math.cos((Math.PI * Math.min(step, totalSteps)) / totalSteps))) / 2;
  });
}

export interface MultiStepOptions extends WarmupOptions {
  /** Epochs (counted from the start of training) at which the value is multiplied by `gamma`. */
  readonly milestones: readonly number[];
  /** Default 0.1. */
  readonly gamma?: number;
}

/** base * gamma^(milestones passed). */
export function multiStep(base: number, options: MultiStepOptions): Schedule {
  const { milestones, gamma = 0.1, warmupEpochs = 0 } = options;
  check('multiStep', 'base', base, Number.isFinite(base) && base >= 0);
  check('multiStep', 'gamma', gamma, Number.isFinite(gamma) && gamma >= 0);
  return withWarmup('multiStep', options, ({ step, stepsPerEpoch }) => {
    const epoch = step / stepsPerEpoch + warmupEpochs;
    return base * gamma ** milestones.filter((milestone) => epoch >= milestone).length;
  });
}

export const toSchedule = (value: number | Schedule): Schedule => (typeof value === 'number' ? constant(value) : value);
