import { clock, percent } from '../consumers/lines.js';
import type { Metrics } from './metrics.js';

export type Fact = readonly [label: string, value: string];

const share = (value: number | null | undefined): string => (typeof value === 'number' ? percent(value) : 'not tested');

/** The summary table. */
export function facts({ start, epochs, end, steps }: Metrics): Fact[] {
  if (start === undefined) return [['state', 'the run did not start']];
  const tested = epochs.filter((point) => point.testAccuracy !== null);
  const last = tested.at(-1);
  const seconds = end?.trainSeconds ?? epochs.at(-1)?.trainSeconds;
  const speed = end?.imagesPerSecond ?? epochs.at(-1)?.imagesPerSecond;
  const { device, dataset } = start;
  return [
    ['state', end === undefined ? 'not finished' : end.reason],
    ['test accuracy', share(last?.testAccuracy)],
    ['best test accuracy', share(last?.bestTestAccuracy)],
    ['steps', `${steps.at(-1)?.step ?? start.startStep} of ${start.totalSteps} (${start.stepsPerEpoch} per epoch)`],
    ['training time', typeof seconds === 'number' ? clock(seconds) : '-'],
    ['throughput', typeof speed === 'number' ? `${speed.toFixed(0)} img/s` : '-'],
    ['density', `${percent(start.density)} (${start.nonZero} of ${start.parameters} parameters not masked)`],
    ['model', start.model],
    [
      'data',
      `${dataset.name}${dataset.synthetic ? ' (synthetic)' : ''}: ${dataset.trainSize} + ${dataset.testSize} images`,
    ],
    ['sparsity', start.sparsity],
    ['optimizer', `${start.optimizer}, batch ${start.batchSize}, seed ${start.seed}`],
    ['device', `${device.name} (${[device.kind, device.isa, `${device.threads} threads`].filter(Boolean).join(', ')})`],
  ];
}

/** What a reader of the curves must know. */
export function notes({ steps }: Metrics, stepsPerPoint: number): string[] {
  const broken = steps.filter((point) => point.loss === null).length;
  return [
    ...(stepsPerPoint > 1 ? [`Each point of a training curve is the mean of ${stepsPerPoint} steps.`] : []),
    ...(broken > 0 ? [`In ${broken} of ${steps.length} steps the loss was not a finite number.`] : []),
  ];
}
