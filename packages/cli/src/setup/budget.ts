import { train } from '@s2sam/core';
import type { Config } from '../config/schema.js';
import { newModel, type Session } from './session.js';
import { trainOptions } from './trainOptions.js';

export interface SpeedSample {
  /** Wall time of one step once everything is warm, seconds. */
  readonly secondsPerStep: number;
  readonly steps: number;
}

/** Steps that are not counted: the first records the graph and fills the memory pools. */
const WARM_UP = 3;
/** Enough steps and time for a mean within a few percent. */
const LEAST_STEPS = 10;
const LEAST_SECONDS = 4;
/** Share of the budget that is planned, since training later shares the machine with writing logs and checkpoints. */
const PLANNED = 0.95;

/** Steps that fit a budget, at least one. */
export const stepsFor = (budgetSeconds: number, { secondsPerStep }: SpeedSample): number =>
  Math.max(1, Math.floor((PLANNED * budgetSeconds) / secondsPerStep));

/** Measures real steps of the configured training with a model that is thrown away; undefined when the signal fired first. */
export async function measureSpeed(
  config: Config,
  session: Session,
  budgetSeconds: number,
  signal: AbortSignal,
): Promise<SpeedSample | undefined> {
  using model = newModel(config, session);
  const options = { ...trainOptions(config, session), steps: Number.MAX_SAFE_INTEGER, evaluateEvery: 0, signal };
  const longEnough = Math.min(LEAST_SECONDS, budgetSeconds / 4);
  let [steps, seconds, seen] = [0, 0, 0];
  for await (const event of train(model, options)) {
    if (event.type !== 'step') continue;
    seen += 1;
    if (seen <= WARM_UP) continue;
    steps += 1;
    seconds += event.stepMs / 1000;
    // A budget of seconds must not be spent on measuring; one of minutes deserves a good measurement.
    if (seconds >= longEnough && (steps >= LEAST_STEPS || seconds >= 4 * longEnough)) break;
  }
  return signal.aborted || steps === 0 ? undefined : { secondsPerStep: seconds / steps, steps };
}
