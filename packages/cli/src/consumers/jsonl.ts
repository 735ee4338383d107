import type { TrainEvent } from '@s2sam/core';
import { AppendFile } from './appendFile.js';
import type { Consumer } from './consumer.js';

/**
 * `metrics.jsonl`: every event as one line of JSON with the time (Unix seconds) it was written at; numbers that are not finite
 * become null. Made-up data marks every line with `synthetic`.
 */
export class JsonLines implements Consumer {
  readonly #file: AppendFile;
  #synthetic = false;
  /** A failed write may have left half a line behind. */
  #torn = false;

  /** Throws IoError. */
  constructor(path: string) {
    this.#file = new AppendFile(path);
  }

  on(event: TrainEvent): void {
    if (event.type === 'start') this.#synthetic = event.dataset.synthetic;
    const line = { time: Date.now() / 1000, ...(this.#synthetic ? { synthetic: true } : {}), ...event };
    const bytes = Buffer.from(`${this.#torn ? '\n' : ''}${JSON.stringify(line)}\n`);
    this.#torn = true;
    this.#file.write(bytes);
    this.#torn = false;
  }

  close(): void {
    this.#file.close();
  }
}
