import type { Chart, Column, Curve } from './client/types.js';
import { bucketEnds, bucketMeans } from './downsample.js';
import type { EpochPoint, MaskPoint, Metrics, StepPoint } from './metrics.js';

/** More points than a screen is wide would only cost time. */
const MAX_POINTS = 2000;

/** Steps that share one point of a curve. */
export const bucketSize = (steps: number): number => Math.max(1, Math.ceil(steps / MAX_POINTS));

type Value<T> = (point: T) => number | null;
type Curves<T> = readonly (readonly [label: string, value: Value<T>])[];

function stepChart(title: string, unit: string, label: string, { steps }: Metrics, value: Value<StepPoint>): Chart {
  const size = bucketSize(steps.length);
  return {
    title,
    unit,
    steps: bucketEnds(
      steps.map((point) => point.step),
      size,
    ),
    curves: [{ label, values: bucketMeans(steps.map(value), size), points: false }],
  };
}

/** The curve of the steps and the points of the evaluations, on the common axis of both. */
function testedChart(
  title: string,
  unit: string,
  metrics: Metrics,
  step: Value<StepPoint>,
  test: Value<EpochPoint>,
): Chart {
  const { steps, curves } = stepChart(title, unit, 'train', metrics, step);
  const trained = new Map(steps.map((at, i) => [at, curves[0]?.values[i] ?? null]));
  const tested = new Map(metrics.epochs.map((point) => [point.step, test(point)]));
  if ([...tested.values()].every((value) => value === null)) return { title, unit, steps, curves };
  const axis = [...new Set([...steps, ...tested.keys()])].sort((a, b) => a - b);
  const testCurve: Curve = { label: 'test', values: axis.map((at) => tested.get(at) ?? null), points: true };
  return {
    title,
    unit,
    steps: axis,
    curves: [{ label: 'train', values: hold(axis, trained), points: false }, testCurve],
  };
}

/** An evaluation between two points of the training curve must not tear it: the value before is held there. */
function hold(axis: readonly number[], known: ReadonlyMap<number, number | null>): Column {
  let last: number | null = null;
  return axis.map((at) => {
    const value = known.get(at);
    if (value !== undefined) last = value;
    return last;
  });
}

const percent = (share: number | null): number | null => (share === null ? null : 100 * share);

/** What the mask updates did; nothing for masks that stayed. */
function maskCharts({ masks }: Metrics): Chart[] {
  const updates = masks.filter(({ dropped }) => dropped !== null);
  if (updates.length === 0) return [];
  const chart = (title: string, unit: string, points: readonly MaskPoint[], curves: Curves<MaskPoint>): Chart => {
    const size = bucketSize(points.length);
    return {
      title,
      unit,
      steps: bucketEnds(
        points.map(({ step }) => step),
        size,
      ),
      curves: curves.map(([label, value]) => ({ label, values: bucketMeans(points.map(value), size), points: true })),
    };
  };
  return [
    chart('Weights replaced per mask update', '', updates, [
      ['dropped', ({ dropped }) => dropped],
      ['grown', ({ grown }) => grown],
    ]),
    chart('Weights ever alive (ITOP)', '%', updates, [['explored', ({ explored }) => percent(explored)]]),
    chart('Inference FLOPs of dense', '%', masks, [['FLOPs', ({ inference }) => percent(inference)]]),
  ];
}

/** The charts of a run; none when it has neither steps nor epochs. */
export function makeCharts(metrics: Metrics): Chart[] {
  if (metrics.steps.length === 0 && metrics.epochs.length === 0) return [];
  return [
    testedChart(
      'Loss',
      '',
      metrics,
      (point) => point.loss,
      (point) => point.testLoss,
    ),
    testedChart(
      'Accuracy',
      '%',
      metrics,
      (point) => percent(point.accuracy),
      (point) => percent(point.testAccuracy),
    ),
    stepChart('Learning rate', '', 'lr', metrics, (point) => point.lr),
    stepChart('Gradient norm', '', 'norm', metrics, (point) => point.gradNorm),
    stepChart('Throughput, img/s', '', 'training', metrics, (point) => point.imagesPerSecond),
    stepChart('Density', '%', 'density', metrics, (point) => percent(point.density)),
    ...maskCharts(metrics),
  ];
}
