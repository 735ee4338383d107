import type { StartEvent, TrainEvent } from '@s2sam/core';
import type { Consumer } from './consumer.js';
import { endLine, epochLine, kernelsLine, maskLine, startLines, stepLine, warningLine } from './lines.js';
import { Meter } from './meter.js';

/** One line per `every` steps, per mask update and per epoch: what a log file or a pipe gets instead of a progress bar. */
export class LineLog implements Consumer {
  readonly #meter = new Meter();
  #start: StartEvent | undefined;

  constructor(
    private readonly print: (line: string) => void,
    private readonly every: number,
    /** The density that was asked for. */
    private readonly nominal?: number | undefined,
  ) {}

  on(event: TrainEvent): void {
    if (event.type === 'start') {
      this.#start = event;
      for (const line of startLines(event, this.nominal)) this.print(line);
    }
    const start = this.#start;
    if (start === undefined) return;
    if (event.type === 'step') {
      this.#meter.add(event);
      if (event.step % this.every === 0 || event.step === start.totalSteps) {
        this.print(stepLine(start, event, this.#meter.take()));
      }
    }
    if (event.type === 'mask') this.print(maskLine(start, event));
    if (event.type === 'kernels') this.print(kernelsLine(event));
    if (event.type === 'warning') this.print(warningLine(event));
    if (event.type === 'epoch') this.print(epochLine(start, event));
    if (event.type === 'end') this.print(endLine(start, event));
  }

  close(): void {}
}
