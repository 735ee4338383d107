import type { StartEvent, StepEvent, TrainEvent } from '@s2sam/core';
import { SingleBar } from 'cli-progress';
import type { Consumer } from './consumer.js';
import { endLine, epochLine, mark, percent, startLines, warningLine } from './lines.js';
import { Meter } from './meter.js';

/** A bar for a terminal; the lines of start, epochs, warnings and end stay above it. */
export class ProgressBar implements Consumer {
  readonly #meter = new Meter();
  readonly #bar: SingleBar;
  #start: StartEvent | undefined;
  #what = '';

  /** @param every steps over which loss, accuracy and speed are averaged; @param nominal the density that was asked for */
  constructor(
    private readonly print: (line: string) => void,
    private readonly every: number,
    stream: NodeJS.WritableStream = process.stderr,
    private readonly nominal?: number | undefined,
  ) {
    this.#bar = new SingleBar({
      stream,
      format: '{bar} {percentage}%  step {value}/{total}  {what}  left {eta_formatted}',
      barsize: 24,
      barCompleteChar: '#',
      barIncompleteChar: '-',
      etaBuffer: 100,
      hideCursor: true,
      clearOnComplete: true,
      // The command itself answers Ctrl-C and then closes the bar.
      gracefulExit: false,
    });
  }

  on(event: TrainEvent): void {
    if (event.type === 'start') {
      this.#start = event;
      for (const line of startLines(event, this.nominal)) this.print(line);
      this.#draw(event, event.startStep);
    }
    const start = this.#start;
    if (start === undefined) return;
    if (event.type === 'step') this.#advance(start, event);
    if (event.type === 'epoch' || event.type === 'warning') {
      this.#bar.stop();
      this.print(event.type === 'epoch' ? epochLine(start, event) : warningLine(event));
      if (event.step < start.totalSteps) this.#draw(start, event.step);
    }
    if (event.type === 'end') {
      this.#bar.stop();
      this.print(endLine(start, event));
    }
  }

  close(): void {
    this.#bar.stop();
  }

  #draw(start: StartEvent, step: number): void {
    this.#bar.start(start.totalSteps, step, { what: mark(start.dataset.synthetic, this.#what) });
  }

  #advance(start: StartEvent, event: StepEvent): void {
    this.#meter.add(event);
    if (this.#what === '' || this.#meter.steps >= this.every) {
      const { loss, accuracy, imagesPerSecond } = this.#meter.take();
      this.#what = `loss ${loss.toFixed(3)}  acc ${percent(accuracy, 1)}  ${imagesPerSecond.toFixed(0)} img/s`;
    }
    this.#bar.update(event.step, { what: mark(start.dataset.synthetic, this.#what) });
  }
}
