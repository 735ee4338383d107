import type { Chart, Column, Curve } from './client/types.js';
import { bucketEnds, bucketMeans } from './downsample.js';
import type { LoggedEpoch, LoggedStep, Metrics } from './metrics.js';

/** More points than a screen is wide would only cost time. */
const MAX_POINTS = 2000;

/** Steps that share one point of a curve. */
export const bucketSize = (steps: number): number => Math.max(1, Math.ceil(steps / MAX_POINTS));

type Value<T> = (event: T) => number | null;

/** A curve of steps and one of evaluations on the common axis of both. */
function joined(title: string, unit: string, metrics: Metrics, step: Value<LoggedStep>, test: Value<LoggedEpoch>): Chart {
  const training = stepChart(title, unit, 'train', metrics, step);
  const tested = new Map(metrics.epochs.filter((event) => test(event) !== null).map((event) => [event.step, test(event)]));
  const steps = [...new Set([...training.steps, ...tested.keys()])].filter((at) => at !== null).sort((a, b) => a - b);
  const trained = new Map(training.steps.map((at, i) => [at, training.curves[0]?.values[i] ?? null]));
  const column = (values: ReadonlyMap<number | null, number | null>): Column => steps.map((at) => values.get(at) ?? null);
  const curves: Curve[] = [{ label: 'train', values: interpolate(column(trained), steps, trained), points: false }];
  if (tested.size > 0) curves.push({ label: 'test', values: column(tested), points: true });
  return { title, unit, steps, curves };
}

/** An evaluation between two points of the training curve must not tear it: there, the value before is repeated. */
function interpolate(values: Column, steps: readonly number[], known: ReadonlyMap<number, number | null>): Column {
  let last: number | null = null;
  return values.map((value, i) => {
    if (known.has(steps[i] as number)) last = value;
    return known.has(steps[i] as number) ? value : last;
  });
}

function stepChart(title: string, unit: string, label: string, { steps }: Metrics, value: Value<LoggedStep>): Chart {
  const size = bucketSize(steps.length);
  return {
    title,
    unit,
    steps: bucketEnds(steps.map((event) => event.step as number), size),
    curves: [{ label, values: bucketMeans(steps.map(value), size), points: false }],
  };
}

const percent = (share: number | null): number | null => (share === null ? null : 100 * share);

/** The charts of a run; none when it has neither steps nor epochs. */
export function makeCharts(metrics: Metrics): Chart[] {
  if (metrics.steps.length === 0 && metrics.epochs.length === 0) return [];
  return [
    joined('Loss', '', metrics, (event) => event.loss, (event) => event.testLoss),
    joined('Accuracy', '%', metrics, (event) => percent(event.accuracy), (event) => percent(event.testAccuracy)),
    stepChart('Learning rate', '', 'lr', metrics, (event) => event.lr),
    stepChart('Gradient norm', '', 'norm', metrics, (event) => event.gradNorm),
    stepChart('Throughput', ' img/s', 'training', metrics, (event) => event.imagesPerSecond),
    stepChart('Density', '%', 'density', metrics, (event) => percent(event.density)),
  ];
}
