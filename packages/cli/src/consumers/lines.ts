import type { EndEvent, EpochEvent, StartEvent, StepEvent } from '@s2sam/core';
import type { Interval } from './meter.js';

/** The words of the log: pure functions from events to text, so that what users see can be tested letter by letter. */

export const percent = (share: number, digits = 2): string => `${(100 * share).toFixed(digits)}%`;

const grouped = (value: number): string => value.toLocaleString('en-US');

/** 75 -> `1m15s`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return h > 0 ? `${h}h${two(m)}m${two(s)}s` : m > 0 ? `${m}m${two(s)}s` : `${s}s`;
}

/** Marks every line of a run on made-up data. */
export const mark = (synthetic: boolean, line: string): string => (synthetic ? `${line}  [synthetic data]` : line);

export function startLines(event: StartEvent): string[] {
  const { device, dataset } = event;
  const isa = device.isa === '' ? '' : `, ${device.isa}`;
  return [
    mark(
      dataset.synthetic,
      `data      ${dataset.name}: ${grouped(dataset.trainSize)} training and ${grouped(dataset.testSize)} test images, ${dataset.classes} classes`,
    ),
    `model     ${event.model}: ${grouped(event.parameters)} parameters, ${grouped(event.nonZero)} not masked`,
    `sparsity  ${event.sparsity}, density ${percent(event.density)} of the maskable weights`,
    `optimizer ${event.optimizer}, batch ${event.batchSize}, seed ${event.seed}`,
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
  ];
  return mark(start.dataset.synthetic, parts.join('  '));
}

export function epochLine(start: StartEvent, event: EpochEvent): string {
  const { testLoss, testAccuracy, bestTestAccuracy } = event;
  const parts = [
    `epoch ${String(event.epoch).padStart(3)} done`,
    `train loss ${event.trainLoss.toFixed(4)} acc ${percent(event.trainAccuracy)}`,
    testLoss === undefined || testAccuracy === undefined
      ? 'not tested'
      : `test loss ${testLoss.toFixed(4)} acc ${percent(testAccuracy)} (best ${percent(bestTestAccuracy ?? testAccuracy)})`,
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
  ];
  return mark(start.dataset.synthetic, parts.join('  '));
}
