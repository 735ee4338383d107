import { type EndEvent, type EpochEvent, IoError, type LayerDensity, type StartEvent, type StepEvent } from '@s2sam/core';
import { existsSync, readFileSync } from 'node:fs';

type Nullable<T> = { readonly [K in keyof T]: T[K] extends number ? T[K] | null : T[K] };

/** Events as JSON keeps them: numbers that were not finite are null. */
export type LoggedStep = Nullable<StepEvent>;
export type LoggedEpoch = Nullable<EpochEvent>;

/** A run as its `metrics.jsonl` tells it. */
export interface Metrics {
  readonly start: StartEvent | undefined;
  readonly steps: readonly LoggedStep[];
  readonly epochs: readonly LoggedEpoch[];
  /** The latest densities. */
  readonly layers: readonly LayerDensity[];
  readonly end: Nullable<EndEvent> | undefined;
}

type Logged = { readonly type?: unknown; readonly [key: string]: unknown };

/** Half a line, left by a full disk or a killed process, is passed over. */
function parseLine(line: string): Logged | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Logged) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads the events of a run and of its resumptions. Steps that a resumed run did again replace those it did first. Throws IoError
 * when the file cannot be read.
 */
export function readMetrics(path: string): Metrics {
  if (!existsSync(path)) {
    throw new IoError(`report: ${path} does not exist; give the folder of a run`, { op: 'report' });
  }
  let start: StartEvent | undefined;
  let end: Nullable<EndEvent> | undefined;
  let layers: readonly LayerDensity[] = [];
  const steps: LoggedStep[] = [];
  const epochs: LoggedEpoch[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const event = parseLine(line);
    if (event === undefined) continue;
    if (Array.isArray(event['layers'])) layers = event['layers'] as LayerDensity[];
    if (event.type === 'start') {
      start = event as unknown as StartEvent;
      end = undefined;
      forget(steps, start.startStep);
      forget(epochs, start.startStep);
    }
    if (event.type === 'step') steps.push(event as unknown as LoggedStep);
    if (event.type === 'epoch') epochs.push(event as unknown as LoggedEpoch);
    if (event.type === 'end') end = event as unknown as Nullable<EndEvent>;
  }
  return { start, steps, epochs, layers, end };
}

/** Drops what lies after `step`, in place. */
function forget(events: { readonly step: number | null }[], step: number): void {
  while (events.length > 0 && (events.at(-1)?.step ?? 0) > step) events.pop();
}
