import type { EndEvent, EpochEvent, KernelsEvent, MaskEvent, StartEvent, StepEvent, WarningEvent } from '@s2sam/core';
import type { Interval } from './meter.js';

/** The words of the log: pure functions from events to text, so that what users see can be tested letter by letter. */

export const percent = (share: number, digits = 2): string => `${(100 * share).toFixed(digits)}%`;

/** 1234567 -> `1,234,567`. */
export const grouped = (value: number): string => value.toLocaleString('en-US');

/** 96430000 -> `96.4 MFLOPs`. */
export function flops(count: number): string {
  const units = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
  const power = Math.max(0, Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  return `${Number((count / 1000 ** power).toPrecision(3))} ${units[power]}FLOPs`;
}

/** FLOPs over those of the dense network trained as long with one pass per step: 1 is dense, SAM takes twice as many. */
export function trainRatio({ trainFlops, step }: Pick<EndEvent, 'trainFlops' | 'step'>, start: StartEvent): number {
  return trainFlops / (3 * start.flops.dense * start.batchSize * start.accumulate * Math.max(1, step));
}

/** 75 -> `1m15s`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return h > 0 ? `${h}h${two(m)}m${two(s)}s` : m > 0 ? `${m}m${two(s)}s` : `${s}s`;
}

/** Marks every line of a run on made-up data. */
export const mark = (synthetic: boolean, line: string): string => (synthetic ? `${line}  [synthetic data]` : line);

/** `batch 128`, or `batch 16 x 256` of 16 micro-batches. */
export const batchOf = ({ batchSize, accumulate }: StartEvent): string =>
  `batch ${accumulate > 1 ? `${accumulate} x ` : ''}${batchSize}`;

/** @param nominal the density that was asked for */
export function startLines(event: StartEvent, nominal?: number): string[] {
  const { device, dataset } = event;
  const isa = device.isa === '' ? '' : `, ${device.isa}`;
  return [
    mark(
      dataset.synthetic,
      `data      ${dataset.name}: ${grouped(dataset.trainSize)} training and ${grouped(dataset.testSize)} test images, ${dataset.classes} classes`,
    ),
    `model     ${event.model}: ${grouped(event.parameters)} parameters, ${grouped(event.nonZero)} not masked${event.dtype === 'f32' ? '' : `, computes in ${event.dtype}`}`,
    `sparsity  ${event.sparsity}, density ${percent(event.density)} of the maskable weights${nominal === undefined ? '' : `, asked for ${percent(nominal)}`}`,
    `inference ${flops(event.flops.sparse)} per image, ${percent(event.flops.sparse / event.flops.dense)} of dense`,
    `optimizer ${event.optimizer}, ${batchOf(event)}${event.ema === 0 ? '' : `, moving average ${event.ema}`}, seed ${event.seed}`,
    `device    ${device.name} (${device.kind}${isa}, ${device.threads} ${device.threads === 1 ? 'thread' : 'threads'})`,
    `length    ${grouped(event.totalSteps)} steps of ${grouped(event.stepsPerEpoch)} per epoch${event.startStep > 0 ? `, resumed at step ${grouped(event.startStep)}` : ''}`,
  ];
}

/** One line per interval: position, loss now (and mean), accuracy, speed, data wait, learning rate, gradient norm, density. */
export function stepLine(start: StartEvent, event: StepEvent, interval: Interval): string {
  const done = Math.floor((100 * event.step) / start.totalSteps);
  const width = String(start.totalSteps).length;
  const parts = [
    `epoch ${String(event.epoch).padStart(3)}`,
    `step ${String(event.step).padStart(width)}/${start.totalSteps} (${String(done).padStart(3)}%)`,
    `loss ${event.loss.toFixed(4)} (${interval.loss.toFixed(4)})`,
    `acc ${percent(interval.accuracy).padStart(7)}`,
    `${interval.imagesPerSecond.toFixed(0)} img/s`,
    `wait ${percent(interval.dataWait, 1)}`,
    `lr ${event.lr.toPrecision(3)}`,
    `grad ${event.gradNorm.toFixed(3)}`,
    `density ${percent(event.density)}`,
    ...(event.lossScale === undefined ? [] : [`loss scale ${event.lossScale}`]),
    ...(event.skippedSteps === 0 ? [] : [`${event.skippedSteps} skipped`]),
  ];
  return mark(start.dataset.synthetic, parts.join('  '));
}

/** What a mask update did, over all layers. */
export function maskLine(start: StartEvent, event: MaskEvent): string {
  const total = (what: 'dropped' | 'grown'): string =>
    grouped(event.layers.reduce((sum, layer) => sum + layer[what], 0));
  const parts = [
    `epoch ${String(event.epoch).padStart(3)}`,
    `masks updated at step ${event.step}`,
    `dropped ${total('dropped')} grown ${total('grown')}`,
    `density ${percent(event.density)}`,
    `explored ${percent(event.explored)}`,
    `inference ${percent(event.flops.sparse / event.flops.dense)} of dense`,
    `checksum ${event.checksum}`,
  ];
  return mark(start.dataset.synthetic, parts.join('  '));
}

/** How many passes over layers multiply by kept weights alone, and how many by all. */
export function kernelsLine({ choices }: KernelsEvent): string {
  const sparse = choices.filter(({ kernel }) => kernel.startsWith('sparse')).length;
  const passes = `${sparse} sparse and ${choices.length - sparse} dense passes over layers`;
  return `kernels: ${passes}; \`s2sam doctor --layers\` lists and times them`;
}

export const warningLine = ({ step, message }: WarningEvent): string => `warning: step ${step}: ${message}`;

export function epochLine(start: StartEvent, event: EpochEvent): string {
  const { testLoss, testAccuracy, bestTestAccuracy } = event;
  const parts = [
    `epoch ${String(event.epoch).padStart(3)} done`,
    `train loss ${event.trainLoss.toFixed(4)} acc ${percent(event.trainAccuracy)}`,
    testLoss === undefined || testAccuracy === undefined
      ? 'not tested'
      : `test loss ${testLoss.toFixed(4)} acc ${percent(testAccuracy)} (best ${percent(bestTestAccuracy ?? testAccuracy)})`,
    ...(event.testAccuracyEma === undefined ? [] : [`average acc ${percent(event.testAccuracyEma)}`]),
    `${event.imagesPerSecond.toFixed(0)} img/s`,
    `trained ${clock(event.trainSeconds)}`,
  ];
  return mark(start.dataset.synthetic, parts.join('  '));
}

export function endLine(start: StartEvent, event: EndEvent): string {
  const accuracy =
    event.testAccuracy === undefined
      ? 'not tested'
      : `test acc ${percent(event.testAccuracy)} (best ${percent(event.bestTestAccuracy ?? event.testAccuracy)})`;
  const parts = [
    `${event.reason} at step ${event.step}`,
    accuracy,
    `trained ${clock(event.trainSeconds)}`,
    `${event.imagesPerSecond.toFixed(0)} img/s`,
    `density ${percent(event.density)}`,
    `explored ${percent(event.explored)}`,
    `${flops(event.trainFlops)}, ${percent(trainRatio(event, start))} of dense training`,
  ];
  return mark(start.dataset.synthetic, parts.join('  '));
}
