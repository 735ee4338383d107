import type { StartEvent } from '@s2sam/core';
import { batchOf, clock, flops, grouped, percent, trainRatio } from '../consumers/lines.js';
import type { MaskPoint, Metrics } from './metrics.js';

export type Fact = readonly [label: string, value: string];

const share = (value: number | null | undefined): string => (typeof value === 'number' ? percent(value) : 'not tested');

/** The summary table. @param nominal density that was asked for */
export function facts({ start, epochs, end, steps, masks, explored, trainFlops }: Metrics, nominal?: number): Fact[] {
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
    ...(typeof last?.testAccuracyEma === 'number'
      ? [['test accuracy of the moving average', share(last.testAccuracyEma)] as const]
      : []),
    ['steps', `${steps.at(-1)?.step ?? start.startStep} of ${start.totalSteps} (${start.stepsPerEpoch} per epoch)`],
    ['training time', typeof seconds === 'number' ? clock(seconds) : '-'],
    ['throughput', typeof speed === 'number' ? `${speed.toFixed(0)} img/s` : '-'],
    ['parameters', `${grouped(start.parameters)}, ${grouped(start.nonZero)} not masked at first`],
    ['sparsity of the weights', sparsity(start, masks.at(-1), nominal)],
    ['weights ever alive (ITOP)', typeof explored === 'number' ? percent(explored) : '-'],
    ['inference FLOPs', inference(start, masks.at(-1))],
    ['training FLOPs', typeof trainFlops === 'number' ? training(start, trainFlops, steps.at(-1)?.step) : '-'],
    ['model', start.model],
    [
      'data',
      `${dataset.name}${dataset.synthetic ? ' (synthetic)' : ''}: ${dataset.trainSize} + ${dataset.testSize} images`,
    ],
    ['mask strategy', start.sparsity],
    ['optimizer', `${start.optimizer}, ${batchOf(start)}, seed ${start.seed}`],
    ['device', `${device.name} (${[device.kind, device.isa, `${device.threads} threads`].filter(Boolean).join(', ')})`],
  ];
}

function sparsity(start: StartEvent, last: MaskPoint | undefined, nominal: number | undefined): string {
  const layers = last?.layers ?? start.layers;
  const kept = layers.reduce((sum, layer) => sum + layer.kept, 0);
  const size = layers.reduce((sum, layer) => sum + layer.size, 0);
  const actual = `${percent(size === 0 ? 0 : 1 - kept / size)} (${grouped(kept)} of ${grouped(size)} kept)`;
  return nominal === undefined ? actual : `${actual}, asked for ${percent(1 - nominal)}`;
}

function inference({ flops: { sparse, dense } }: StartEvent, last: MaskPoint | undefined): string {
  const share = last?.inference ?? sparse / dense;
  return `${flops(share * dense)} per image, ${percent(share)} of dense (${flops(dense)})`;
}

const training = (start: StartEvent, trainFlops: number, step = 1): string =>
  `${flops(trainFlops)}, ${percent(trainRatio({ trainFlops, step }, start))} of dense training with one pass per step`;

/** What a reader of the curves must know. */
export function notes({ steps, warnings }: Metrics, stepsPerPoint: number): string[] {
  const broken = steps.filter((point) => point.loss === null).length;
  return [
    ...(stepsPerPoint > 1 ? [`Each point of a training curve is the mean of ${stepsPerPoint} steps.`] : []),
    ...warnings,
    ...(broken > 0 ? [`In ${broken} of ${steps.length} steps the loss was not a finite number.`] : []),
  ];
}
