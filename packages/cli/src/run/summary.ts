import type { EndEvent, StartEvent, TrainEvent } from '@s2sam/core';
import type { Consumer } from '../consumers/consumer.js';
import { trainRatio } from '../consumers/lines.js';

/** What a finished or interrupted run amounts to: `summary.json`, and the last line of `--summary json`. */
export interface Summary {
  /** Of the last evaluation; null when nothing was tested. Shares are 0..1. */
  readonly testAccuracy: number | null;
  readonly bestTestAccuracy: number | null;
  /** Training time in seconds, evaluation excluded. */
  readonly trainSeconds: number;
  readonly imagesPerSecond: number;
  /** Kept / all maskable weights, in the end, and what was asked for (null where channels are counted). */
  readonly density: number;
  readonly nominalDensity: number | null;
  readonly parameters: number;
  /** Weights ever alive / all maskable weights (ITOP). */
  readonly explored: number;
  /** FLOPs of a forward pass in the end, over those of the dense network. */
  readonly inferenceFlops: number;
  /** FLOPs of the training, and over those of dense training with one pass per step. */
  readonly trainFlops: number;
  readonly trainFlopsRatio: number;
  readonly device: string;
  readonly dataset: string;
  /** True when the images are made up; the accuracy then says nothing about real data. */
  readonly synthetic: boolean;
  readonly model: string;
  readonly optimizer: string;
  readonly sparsity: string;
  readonly reason: EndEvent['reason'];
  readonly step: number;
  readonly totalSteps: number;
  /** The best one, or the last where nothing was tested; of an interrupted run the one to go on from. */
  readonly checkpoint: string;
  readonly report: string;
}

/** Where a run's files are. */
export interface SummaryFiles {
  /** To evaluate. */
  readonly preferred: string;
  /** To go on from. */
  readonly last: string;
  readonly report: string;
}

/** Remembers what a summary needs. */
export class SummaryKeeper implements Consumer {
  #start: StartEvent | undefined;
  #end: EndEvent | undefined;

  /** @param nominal the density that was asked for, undefined where channels are counted */
  constructor(private readonly nominal: number | undefined) {}

  on(event: TrainEvent): void {
    if (event.type === 'start') this.#start = event;
    if (event.type === 'end') this.#end = event;
  }

  close(): void {}

  /** Undefined when the training threw. */
  summary({ preferred, last, report }: SummaryFiles): Summary | undefined {
    const [start, end] = [this.#start, this.#end];
    if (start === undefined || end === undefined) return undefined;
    return {
      testAccuracy: end.testAccuracy ?? null,
      bestTestAccuracy: end.bestTestAccuracy ?? null,
      trainSeconds: end.trainSeconds,
      imagesPerSecond: end.imagesPerSecond,
      density: end.density,
      nominalDensity: this.nominal ?? null,
      parameters: start.parameters,
      explored: end.explored,
      inferenceFlops: end.flops.sparse / end.flops.dense,
      trainFlops: end.trainFlops,
      trainFlopsRatio: trainRatio(end, start),
      device: start.device.name,
      dataset: start.dataset.name,
      synthetic: start.dataset.synthetic,
      model: start.model,
      optimizer: start.optimizer,
      sparsity: start.sparsity,
      reason: end.reason,
      step: end.step,
      totalSteps: start.totalSteps,
      checkpoint: end.reason === 'aborted' ? last : preferred,
      report,
    };
  }
}
