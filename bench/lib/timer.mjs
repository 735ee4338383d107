import { percentile } from './stats.mjs';

const PERIOD_MS = 10;

/** A 10 ms timer that notes how late each tick is: what a web page or a progress bar feels while training runs. */
export class LatenessTimer {
  #lateness = [];
  #handle;

  start() {
    let due = performance.now() + PERIOD_MS;
    const tick = () => {
      const now = performance.now();
      this.#lateness.push(now - due);
      due = now + PERIOD_MS;
      this.#handle = setTimeout(tick, PERIOD_MS);
    };
    this.#handle = setTimeout(tick, PERIOD_MS);
  }

  stop() {
    clearTimeout(this.#handle);
  }

  /** Over all ticks between starts and stops, milliseconds. */
  summary() {
    const ticks = this.#lateness;
    return {
      ticks: ticks.length,
      p50Ms: percentile(ticks, 0.5),
      p99Ms: percentile(ticks, 0.99),
      maxMs: Math.max(...ticks),
    };
  }
}
