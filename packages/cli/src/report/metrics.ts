import { readFileSync, statSync } from 'node:fs';
import { type EndEvent, IoError, ioError, type LayerDensity, type StartEvent } from '@s2sam/core';

/** A number of the log; null where it was not finite or not measured. */
type Logged = number | null;

export interface StepPoint {
  readonly step: number;
  readonly loss: Logged;
  readonly accuracy: Logged;
  readonly lr: Logged;
  readonly gradNorm: Logged;
  readonly imagesPerSecond: Logged;
  readonly density: Logged;
}

export interface EpochPoint {
  readonly step: number;
  readonly testLoss: Logged;
  readonly testAccuracy: Logged;
  readonly bestTestAccuracy: Logged;
  readonly trainSeconds: Logged;
  readonly imagesPerSecond: Logged;
}

/** A run as its `metrics.jsonl` tells it. */
export interface Metrics {
  readonly start: StartEvent | undefined;
  readonly steps: readonly StepPoint[];
  readonly epochs: readonly EpochPoint[];
  /** The latest densities. */
  readonly layers: readonly LayerDensity[];
  readonly end:
    | { readonly reason: EndEvent['reason']; readonly trainSeconds: Logged; readonly imagesPerSecond: Logged }
    | undefined;
}

type Line = { readonly [key: string]: unknown };

/** Half a line, left by a full disk or a killed process, is passed over. */
function parseLine(text: string): Line | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Line) : undefined;
  } catch {
    return undefined;
  }
}

const numbers = <K extends string>(line: Line, ...names: readonly K[]): Record<K, Logged> =>
  Object.fromEntries(names.map((name) => [name, typeof line[name] === 'number' ? line[name] : null])) as Record<
    K,
    Logged
  >;

const stepOf = (line: Line): number => (typeof line.step === 'number' ? line.step : 0);

/**
 * Reads the events of a run and of its resumptions. Steps that a resumed run did again replace those it did first. Throws IoError
 * when the file cannot be read.
 */
export function readMetrics(path: string): Metrics {
  let start: StartEvent | undefined;
  let end: Metrics['end'];
  let layers: readonly LayerDensity[] = [];
  const steps: StepPoint[] = [];
  const epochs: EpochPoint[] = [];
  for (const text of readLines(path)) {
    const line = parseLine(text);
    if (line === undefined) continue;
    if (Array.isArray(line.layers)) layers = line.layers as LayerDensity[];
    switch (line.type) {
      case 'start':
        start = line as unknown as StartEvent;
        end = undefined;
        forget(steps, start.startStep);
        forget(epochs, start.startStep);
        break;
      case 'step':
        steps.push({
          step: stepOf(line),
          ...numbers(line, 'loss', 'accuracy', 'lr', 'gradNorm', 'imagesPerSecond', 'density'),
        });
        break;
      case 'epoch':
        epochs.push({
          step: stepOf(line),
          ...numbers(line, 'testLoss', 'testAccuracy', 'bestTestAccuracy', 'trainSeconds', 'imagesPerSecond'),
        });
        break;
      case 'end':
        end = { reason: line.reason as EndEvent['reason'], ...numbers(line, 'trainSeconds', 'imagesPerSecond') };
    }
  }
  return { start, steps, epochs, layers, end };
}

function readLines(path: string): string[] {
  try {
    // A log sent to a device, such as /dev/null, cannot be read back.
    if (!statSync(path).isFile()) throw new IoError(`report: ${path} is not a regular file`, { op: 'report' });
    return readFileSync(path, 'utf8').split('\n');
  } catch (cause) {
    throw ioError('report', path, cause);
  }
}

/** Drops what lies after `step`, in place. */
function forget(points: { readonly step: number }[], step: number): void {
  while ((points.at(-1)?.step ?? 0) > step) points.pop();
}
