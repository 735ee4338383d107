import { readFileSync, statSync } from 'node:fs';
import {
  type Churn,
  type EndEvent,
  type ForwardFlops,
  IoError,
  ioError,
  type LayerDensity,
  type StartEvent,
} from '@s2sam/core';

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
  readonly testAccuracyEma: Logged;
  readonly trainSeconds: Logged;
  readonly imagesPerSecond: Logged;
}

/** The masks at one step: those a run began with, or an update. */
export interface MaskPoint {
  readonly step: number;
  readonly layers: readonly LayerDensity[];
  /** Over all layers; null for the first masks. */
  readonly dropped: Logged;
  readonly grown: Logged;
  readonly explored: Logged;
  /** FLOPs of a forward pass over those of the dense network. */
  readonly inference: Logged;
}

/** A run as its `metrics.jsonl` tells it. */
export interface Metrics {
  readonly start: StartEvent | undefined;
  readonly steps: readonly StepPoint[];
  readonly epochs: readonly EpochPoint[];
  /** The latest densities; after a mask update with what it dropped and grew. */
  readonly layers: readonly (LayerDensity & Partial<Churn>)[];
  readonly masks: readonly MaskPoint[];
  readonly warnings: readonly string[];
  readonly end: (Pick<EndEvent, 'reason'> & Record<'trainSeconds' | 'imagesPerSecond', Logged>) | undefined;
  /** As the last epoch or the end told them. */
  readonly explored: Logged;
  readonly trainFlops: Logged;
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
  const masks: MaskPoint[] = [];
  const warnings: string[] = [];
  let totals = numbers({}, 'explored', 'trainFlops');
  for (const text of readLines(path)) {
    const line = parseLine(text);
    if (line === undefined) continue;
    if (Array.isArray(line.layers)) layers = latest(layers, line.layers as LayerDensity[]);
    if (line.type === 'epoch' || line.type === 'end') totals = numbers(line, 'explored', 'trainFlops');
    switch (line.type) {
      case 'start':
        start = line as unknown as StartEvent;
        end = undefined;
        forget(steps, start.startStep);
        forget(epochs, start.startStep);
        forget(masks, start.startStep);
        if (masks.length === 0) masks.push(maskPoint(line));
        break;
      case 'mask':
        masks.push(maskPoint(line));
        break;
      case 'warning':
        warnings.push(`Step ${stepOf(line)}: ${String(line.message)}`);
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
          ...numbers(
            line,
            'testLoss',
            'testAccuracy',
            'bestTestAccuracy',
            'testAccuracyEma',
            'trainSeconds',
            'imagesPerSecond',
          ),
        });
        break;
      case 'end':
        end = { reason: line.reason as EndEvent['reason'], ...numbers(line, 'trainSeconds', 'imagesPerSecond') };
    }
  }
  return { start, steps, epochs, layers, masks, warnings, end, ...totals };
}

function maskPoint(line: Line): MaskPoint {
  const layers = (Array.isArray(line.layers) ? line.layers : []) as (LayerDensity & Partial<Churn>)[];
  const total = (what: 'dropped' | 'grown'): Logged =>
    line.type === 'mask' ? layers.reduce((sum, layer) => sum + (layer[what] ?? 0), 0) : null;
  const { sparse, dense } = (line.flops ?? {}) as Partial<ForwardFlops>;
  return {
    step: typeof line.startStep === 'number' ? line.startStep : stepOf(line),
    layers,
    dropped: total('dropped'),
    grown: total('grown'),
    ...numbers(line, 'explored'),
    inference: sparse === undefined || dense === undefined ? null : sparse / dense,
  };
}

/** Densities as they are told now; churn, which only mask updates tell, stays. */
function latest(before: Metrics['layers'], now: readonly LayerDensity[]): Metrics['layers'] {
  const known = new Map(before.map((layer) => [layer.name, layer]));
  return now.map((layer) => ({ ...known.get(layer.name), ...layer }));
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
