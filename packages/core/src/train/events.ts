import type { FloatName, KernelChoice } from '@s2sam/native';
import type { Churn } from '../sparsity/exploration.js';
import type { ForwardFlops } from '../sparsity/flops.js';
import type { ImageDataset } from './data.js';

/** State of one maskable parameter. */
export interface LayerDensity {
  readonly name: string;
  readonly shape: readonly number[];
  /** Kept weights. */
  readonly kept: number;
  readonly size: number;
  /** kept / size. */
  readonly density: number;
}

/** A layer before and after a mask update. */
export interface LayerChange extends LayerDensity, Churn {}

/** First event of every run. */
export interface StartEvent {
  readonly type: 'start';
  readonly model: string;
  /** All trainable parameters, masked ones included. */
  readonly parameters: number;
  /** Trainable parameters that are not masked. */
  readonly nonZero: number;
  /** Kept / all weights of the maskable parameters. */
  readonly density: number;
  readonly layers: readonly LayerDensity[];
  /** 64-bit checksum over all masks, as 16 hexadecimal digits. */
  readonly checksum: string;
  /** Of a forward pass of one image, with the masks and without. */
  readonly flops: ForwardFlops;
  /** Strategy and optimizer as the log names them, e.g. `static(erk)` and `s2sam(sgd)`. */
  readonly sparsity: string;
  readonly optimizer: string;
  /** What the network computes in. */
  readonly dtype: FloatName;
  /** The device's `name`, kind, instruction set and threads. */
  readonly device: { readonly kind: string; readonly name: string; readonly isa: string; readonly threads: number };
  readonly dataset: Pick<ImageDataset, 'name' | 'synthetic' | 'classes'> & {
    readonly trainSize: number;
    readonly testSize: number;
  };
  /** Images of a micro-batch, and micro-batches of a step. */
  readonly batchSize: number;
  readonly accumulate: number;
  /** Decay of the moving average of the weights; 0: there is none. */
  readonly ema: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  /** Steps done before this run (> 0 after resume). */
  readonly startStep: number;
  readonly seed: number;
}

/** After every optimizer step, one step late because the next one is already running. */
export interface StepEvent {
  readonly type: 'step';
  /** Steps done, counted from 1 over the whole training. */
  readonly step: number;
  /** Epoch this step belongs to, from 0. */
  readonly epoch: number;
  /** Mean loss of the batch (at the perturbed weights under S2-SAM). */
  readonly loss: number;
  /** Share of the batch classified right, 0..1. */
  readonly accuracy: number;
  readonly lr: number;
  /** Global L2 norm of the gradient before clipping. */
  readonly gradNorm: number;
  /** Steps left out so far, this run's and those before resume: their gradient was not finite. */
  readonly skippedSteps: number;
  /** What the loss is multiplied by next, for f16; undefined where it is not scaled. */
  readonly lossScale: number | undefined;
  /** Wall time of the step and the part of it spent waiting for input, milliseconds. */
  readonly stepMs: number;
  readonly dataWaitMs: number;
  readonly imagesPerSecond: number;
  readonly density: number;
}

/** After a mask update of a dynamic strategy, and between rounds. */
export interface MaskEvent {
  readonly type: 'mask';
  readonly step: number;
  readonly epoch: number;
  readonly density: number;
  readonly layers: readonly LayerChange[];
  /** Weights ever alive so far / all weights of the maskable parameters: the ITOP rate. */
  readonly explored: number;
  /** Of a forward pass of one image. */
  readonly flops: ForwardFlops;
  /** 64-bit checksum over all masks, as 16 hexadecimal digits. */
  readonly checksum: string;
}

/** Something a strategy wants known, e.g. a layer without weights. */
export interface WarningEvent {
  readonly type: 'warning';
  readonly step: number;
  readonly message: string;
}

/** How the layers are computed, once, after the first step; not where a device tells nothing (CUDA). */
export interface KernelsEvent {
  readonly type: 'kernels';
  readonly step: number;
  readonly choices: readonly KernelChoice[];
}

/** After each epoch (and at the end of a run that stops inside one), with the evaluation on the test split. */
export interface EpochEvent {
  readonly type: 'epoch';
  readonly epoch: number;
  readonly step: number;
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  /** Undefined where this epoch was not evaluated. */
  readonly testLoss: number | undefined;
  readonly testAccuracy: number | undefined;
  /** Since the density last fell: a denser network's accuracy is another network's. */
  readonly bestTestAccuracy: number | undefined;
  /** Of the moving average of the weights. */
  readonly testLossEma: number | undefined;
  readonly testAccuracyEma: number | undefined;
  /** Time the evaluation took. */
  readonly testSeconds: number | undefined;
  /** Training time of the whole run so far, seconds, evaluation excluded; carried over by resume. */
  readonly trainSeconds: number;
  /** Of this epoch. */
  readonly imagesPerSecond: number;
  readonly density: number;
  readonly layers: readonly LayerDensity[];
  /** As in `EndEvent`, so far. */
  readonly explored: number;
  readonly trainFlops: number;
}

/** Last event of every run that did not throw. */
export interface EndEvent {
  readonly type: 'end';
  /** `aborted`: the signal fired; the last step was finished. */
  readonly reason: 'finished' | 'aborted';
  readonly step: number;
  readonly epoch: number;
  readonly testAccuracy: number | undefined;
  readonly bestTestAccuracy: number | undefined;
  readonly trainSeconds: number;
  /** Training images / trainSeconds of this run. */
  readonly imagesPerSecond: number;
  readonly density: number;
  /** Weights that were ever alive / all weights of the maskable parameters: the ITOP rate. */
  readonly explored: number;
  /** Of all steps, those before resume included, at the density each had; evaluation and probing are not counted. */
  readonly trainFlops: number;
  /** Of a forward pass of one image, with the masks and without. */
  readonly flops: ForwardFlops;
}

export type TrainEvent = StartEvent | StepEvent | KernelsEvent | MaskEvent | WarningEvent | EpochEvent | EndEvent;
