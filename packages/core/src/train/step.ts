import { type FloatName, STATS_SIZE, Stat } from '@s2sam/native';
import { scaleShift } from '../autograd/elementwise.js';
import { copyOf, Tape } from '../autograd/tape.js';
import type { Classifier } from '../models/classifier.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { Progress } from '../optim/schedule.js';
import { type OptimizerCounts, OptimizerState } from '../optim/state.js';
import type { ProbeOptions, StepNeeds } from '../sparsity/strategy.js';
import { scope, unscoped } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { StepCost } from './flopsMeter.js';
import type { BatchTensors } from './loader.js';
import { RecordedStep } from './recordedStep.js';
import { correctOf, lossOf } from './target.js';

/** What the step wrote, read back. */
export interface StepResult extends OptimizerCounts {
  /** Mean over the samples. */
  readonly loss: number;
  /** Samples classified right; a mixture of two by the label of its larger share. */
  readonly correct: number;
  readonly gradNorm: number;
  /** Norm that divides the perturbation, 0 where there is none. */
  readonly perturbNorm: number;
}

export interface TrainStepOptions {
  readonly optimizer: Optimizer;
  /** Makes a micro-batch of the step, images of this type; recorded, so it must read tensors that change in place. */
  readonly input: (dtype: FloatName, part: number) => BatchTensors;
  /** Micro-batches of one size, over which a step averages the gradient. Default 1. */
  readonly parts?: number;
  /** Default 0. */
  readonly labelSmoothing?: number;
  /** Looks at the gradient in the arena before the optimizer's step, where a step needs it; recorded. */
  readonly observe?: () => void;
  /** Called when the optimizer has taken its step; recorded. */
  readonly stepped?: () => void;
}

/** loss, correct, padding up to here; then the optimizer's stats. */
const STATS_OFFSET = 8;

interface PassOptions {
  /** Leave loss and count of right answers in the metrics, or with `accumulate` add them there. */
  readonly report?: boolean;
  readonly accumulate?: boolean;
  readonly seed?: Tensor | undefined;
  /** Divides the logits. */
  readonly temperature?: number;
  /** Runs the forward pass of the network. */
  readonly forward?: <T>(pass: () => T) => T;
}

export interface ProbePassOptions
  extends Pick<ProbeOptions, 'temperature' | 'statistics'>,
    Pick<PassOptions, 'forward'> {
  /** Add to the gradient that is there. Default false. */
  readonly accumulate?: boolean;
}

/** What sets the recordings of steps apart. */
interface Kind {
  /** Weight gradients at masked positions too. */
  readonly dense: boolean;
  /** The optimizer does not step. */
  readonly skip: boolean;
  readonly twoPasses: boolean;
  /** Leave the gradient of the unscaled loss, for the mask update that follows. */
  readonly unscale: boolean;
  /** The strategy looks at the gradient before the optimizer's step. */
  readonly observe: boolean;
}

/**
 * One training step: input, forward, backward, optimizer, metrics. Recorded at its first use (once per kind of step a strategy asks
 * for) and replayed with one native call after that. S2-SAM and SGD take one forward and one backward pass over each micro-batch, SAM
 * two: its perturbation is that of the gradient of all of them.
 */
export class TrainStep implements Disposable {
  readonly state: OptimizerState;
  /** Forward and backward passes recorded per kind of step; for tests and reports. */
  readonly passes = { forward: 0, backward: 0 };
  readonly #metrics: Tensor;
  readonly #recorded = new Map<string, RecordedStep>();

  constructor(
    readonly model: Classifier,
    readonly options: TrainStepOptions,
  ) {
    const { device } = model;
    this.#metrics = unscoped(() => device.zeros([STATS_OFFSET + STATS_SIZE]));
    this.state = new OptimizerState(
      model,
      options.optimizer,
      unscoped(() => this.#metrics.view(STATS_OFFSET, [STATS_SIZE])),
    );
  }

  /** Enqueues a step and resolves with its result once it has run. */
  run(progress: Progress, needs: StepNeeds = {}): Promise<StepResult> {
    const plain = needs.plain === true;
    this.state.prepare(progress, plain);
    this.model.setStep(progress.step);
    this.#recordedStep(needs, !plain && this.state.twoPasses(progress)).run();
    return this.#read();
  }

  /** What a step with these needs computes. */
  cost(progress: Progress, needs: StepNeeds): Omit<StepCost, 'images'> {
    return {
      denseGradient: needs.denseGradient === true,
      ignoresMasks: this.state.needsDenseGradient,
      passes: needs.plain !== true && this.state.twoPasses(progress) ? 2 : 1,
    };
  }

  /**
   * Gradient of a batch at the plain weights, everywhere, left in the arena; steps nothing and changes no running statistics. Computed
   * in f32 whatever the model computes in. Not recorded.
   */
  probe(input: () => BatchTensors, options: ProbePassOptions = {}): void {
    const { statistics = 'batch', ...pass } = options;
    this.state.restore();
    for (const parameter of this.state.arena.parameters) parameter.gradientEverywhere = true;
    this.model.train(statistics === 'batch').trackStatistics(false);
    scope(() => this.#pass(input(), pass));
    this.model.train().trackStatistics(true);
  }

  /** Drops the recordings, where what they read is no longer there: the next step records anew. */
  forget(): void {
    for (const step of this.#recorded.values()) step[Symbol.dispose]();
    this.#recorded.clear();
  }

  [Symbol.dispose](): void {
    this.forget();
    this.state[Symbol.dispose]();
    this.#metrics.dispose();
  }

  #recordedStep(needs: StepNeeds, twoPasses: boolean): RecordedStep {
    const dense = needs.denseGradient === true || this.state.needsDenseGradient;
    const skip = needs.skipOptimizerStep === true;
    const unscale = needs.update === true && this.state.lossScale !== undefined;
    const kind = { dense, skip, twoPasses, unscale, observe: needs.observe === true };
    const key = JSON.stringify(kind);
    const known = this.#recorded.get(key);
    if (known !== undefined) return known;
    const step = new RecordedStep(this.model.device, () => this.#record(kind));
    this.#recorded.set(key, step);
    return step;
  }

  #record({ dense, skip, twoPasses, unscale, observe }: Kind): void {
    this.passes.forward = 0;
    this.passes.backward = 0;
    for (const parameter of this.state.arena.parameters) parameter.gradientEverywhere = dense;
    this.model.train();
    const batchOf = this.#batches();
    const seed = this.#seed();
    this.#passes(batchOf, { report: true, seed });
    if (twoPasses) {
      this.state.perturb();
      this.model.trackStatistics(false);
      this.#passes(batchOf, { seed });
      this.model.trackStatistics(true);
      if (skip) this.state.restore();
    }
    if (observe) this.state.withUnscaledGradient(() => this.options.observe?.());
    if (!skip) {
      this.state.step({ unscale });
      this.options.stepped?.();
    } else if (unscale) {
      this.state.unscaleGradient();
    }
  }

  get #parts(): number {
    return this.options.parts ?? 1;
  }

  /** The micro-batches: a single one is kept for all passes, several are made anew for each to save memory. */
  #batches(): (part: number) => BatchTensors {
    const { input } = this.options;
    const { dtype } = this.model;
    if (this.#parts > 1) return (part) => input(dtype, part);
    const batch = input(dtype, 0);
    return () => batch;
  }

  /** What the loss of a micro-batch is multiplied by: loss scale / micro-batches; undefined: 1. */
  #seed(): Tensor | undefined {
    const { lossScale } = this.state;
    if (this.#parts === 1) return lossScale;
    const seed = lossScale === undefined ? this.model.device.zeros([1]) : copyOf(lossScale);
    if (lossScale === undefined) seed.fill(1);
    return scaleShift(seed, 1 / this.#parts);
  }

  /** Forward and backward over all micro-batches: leaves the mean gradient in the arena. */
  #passes(batchOf: (part: number) => BatchTensors, options: PassOptions): void {
    for (let part = 0; part < this.#parts; part++) {
      scope(() => this.#pass(batchOf(part), { ...options, accumulate: part > 0 }));
    }
  }

  /** Forward and backward, with the loss multiplied by `seed`; a gradient of a parameter the loss does not depend on is zero. */
  #pass({ x, ...target }: BatchTensors, options: PassOptions = {}): void {
    const { report = false, accumulate = false, seed, temperature = 1, forward = (pass) => pass() } = options;
    const { labelSmoothing = 0 } = this.options;
    const tape = new Tape();
    const { loss, logits } = tape.record(() => {
      const logits = forward(() => this.model.forward(x));
      const scaled = temperature === 1 ? logits : scaleShift(logits, 1 / temperature, 0);
      return { logits, loss: lossOf(scaled, target, { labelSmoothing }) };
    });
    this.passes.forward += 1;
    if (report) {
      this.#metric(0, loss, 1 / this.#parts, accumulate);
      this.#metric(1, correctOf(logits, target), 1, accumulate);
    }
    tape.backward(loss, seed, { accumulate, release: { keep: [] } });
    this.passes.backward += 1;
    for (const parameter of this.state.arena.parameters) {
      if (!tape.parameters.has(parameter) && !accumulate) parameter.gradient.fill(0);
    }
  }

  #metric(slot: number, value: Tensor, factor: number, accumulate: boolean): void {
    const { native } = this.model.device;
    const metric = this.#metrics.view(slot, [1]);
    if (!accumulate) metric.fill(0);
    native.addInto(value.handle, factor, metric.handle);
  }

  async #read(): Promise<StepResult> {
    const [loss = Number.NaN, correct = 0, ...rest] = await this.#metrics.toArray();
    const stat = (slot: number): number => rest[STATS_OFFSET - 2 + slot] ?? 0;
    return {
      loss,
      correct,
      gradNorm: stat(Stat.gradNorm),
      perturbNorm: stat(Stat.perturbNorm),
      skippedSteps: stat(Stat.skippedSteps),
      skippedPerturbations: stat(Stat.skippedPerturbations),
      lossScale: stat(Stat.lossScale),
      goodSteps: stat(Stat.goodSteps),
    };
  }
}
