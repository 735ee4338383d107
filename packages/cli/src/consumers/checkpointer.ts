import { existsSync } from 'node:fs';
import type { Run, TrainEvent } from '@s2sam/core';
import type { RunFolder } from '../run/folder.js';
import type { Consumer, Warn } from './consumer.js';

/**
 * Writes `best.safetensors` whenever an evaluation beats all before it, `last.safetensors` every few epochs or steps and at the end. A failed
 * write is reported and tried again at the next occasion; `failure` tells whether the last attempt of the run failed.
 */
export class Checkpointer implements Consumer {
  /** Why `last.safetensors` is not up to date; undefined when it is. */
  failure: Error | undefined;
  /** Step of the last `last.safetensors`. */
  #lastStep: number | undefined;

  constructor(
    private readonly run: Pick<Run, 'save'>,
    private readonly folder: RunFolder,
    private readonly options: {
      readonly everyEpochs: number;
      /** Steps between further writes of `last.safetensors`; 0: none. */
      readonly everySteps: number;
      /** Kept in the checkpoint as it is. */
      readonly extra: Readonly<Record<string, string>>;
      readonly warn: Warn;
    },
  ) {}

  async on(event: TrainEvent): Promise<void> {
    const { everySteps } = this.options;
    if (event.type === 'step' && everySteps > 0 && event.step % everySteps === 0) await this.#saveLast(event.step);
    if (event.type === 'epoch') {
      const isBest = event.testAccuracy !== undefined && event.testAccuracy === event.bestTestAccuracy;
      if (isBest) await this.#save(this.folder.best);
      if ((event.epoch + 1) % this.options.everyEpochs === 0) await this.#saveLast(event.step);
    }
    if (event.type === 'end') await this.#saveLast(event.step);
  }

  close(): void {}

  /** The checkpoint to evaluate: the best one, or the last where nothing was tested. */
  get preferred(): string {
    return existsSync(this.folder.best) ? this.folder.best : this.folder.last;
  }

  async #saveLast(step: number): Promise<void> {
    if (step === this.#lastStep) return;
    this.failure = await this.#save(this.folder.last);
    if (this.failure === undefined) this.#lastStep = step;
  }

  async #save(path: string): Promise<Error | undefined> {
    try {
      await this.run.save(path, this.options.extra);
      return undefined;
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      this.options.warn(`checkpoint not written, training goes on: ${failure.message}`);
      return failure;
    }
  }
}
