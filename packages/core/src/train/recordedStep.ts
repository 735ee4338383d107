import type { Device } from '../device/device.js';
import type { Graph } from '../device/graph.js';
import { scope } from '../tensor/scope.js';

/**
 * Ops that are recorded when they are first run, and anew when a mask has changed that they were recorded for. With S2SAM_RECORD=0 in
 * the environment they are never recorded but enqueued one by one each time, to look for errors.
 */
export class RecordedStep implements Disposable {
  #graph: Graph | undefined;

  /** `record` enqueues the ops; what it makes is disposed at its end. */
  constructor(
    private readonly device: Device,
    private readonly record: () => void,
  ) {}

  /** Enqueues the ops. */
  run(): void {
    if (process.env.S2SAM_RECORD === '0') {
      scope(this.record);
      return;
    }
    if (this.#graph?.stale) this.#forget();
    this.#graph ??= this.device.capture(() => scope(this.record));
    this.#graph.replay();
  }

  [Symbol.dispose](): void {
    this.#forget();
  }

  #forget(): void {
    this.#graph?.[Symbol.dispose]();
    this.#graph = undefined;
  }
}
