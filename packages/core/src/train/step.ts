import { STATS_SIZE } from '@s2sam/native';
import { countCorrect, crossEntropy } from '../autograd/loss.js';
import { Tape } from '../autograd/tape.js';
import type { Graph } from '../device/graph.js';
import type { Classifier } from '../models/classifier.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { Progress } from '../optim/schedule.js';
import { OptimizerState } from '../optim/state.js';
import type { StepNeeds } from '../sparsity/strategy.js';
import { scope, unscoped } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { BatchTensors } from './loader.js';

/** What the step wrote, read back. */
export interface StepResult {
  readonly loss: number;
  /** Samples classified right. */
  readonly correct: number;
  readonly gradNorm: number;
  /** Norm that divides the perturbation, 0 where there is none. */
  readonly perturbNorm: number;
  /** Since the training began: steps and perturbations left out because a norm was zero or not finite. */
  readonly skippedSteps: number;
  readonly skippedPerturbations: number;
}

export interface TrainStepOptions {
  readonly optimizer: Optimizer;
  /** Makes the batch of the step; recorded, so it must read tensors that change in place. */
  readonly input: () => BatchTensors;
  /** Default 0. */
  readonly labelSmoothing?: number;
}

/** loss, correct, padding up to here; then the optimizer's stats. */
const STATS_OFFSET = 8;

/**
 * One training step: input, forward, backward, optimizer, metrics. Recorded at its first use (once per kind of step a strategy asks
 * for) and replayed with one native call after that. S2-SAM and SGD take one forward and one backward pass, SAM two.
 */
export class TrainStep implements Disposable {
  readonly state: OptimizerState;
  /** Forward and backward passes recorded per kind of step; for tests and reports. */
  readonly passes = { forward: 0, backward: 0 };
  readonly #metrics: Tensor;
  readonly #graphs = new Map<string, Graph>();

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
    this.state.prepare(progress);
    this.#graph(progress, needs).replay();
    return this.#read();
  }

  /**
   * Gradient of the selected batch at the plain weights, everywhere, left in the arena; steps nothing and changes no running
   * statistics. `accumulate` adds to the gradient that is there. Not recorded.
   */
  probe(accumulate: boolean): void {
    this.state.restore();
    for (const parameter of this.state.arena.parameters) parameter.gradientEverywhere = true;
    this.model.train().trackStatistics(false);
    scope(() => this.#pass(this.options.input(), { accumulate }));
    this.model.trackStatistics(true);
  }

  [Symbol.dispose](): void {
    for (const graph of this.#graphs.values()) graph[Symbol.dispose]();
    this.#graphs.clear();
    this.state[Symbol.dispose]();
    this.#metrics.dispose();
  }

  #graph(progress: Progress, needs: StepNeeds): Graph {
    const dense = needs.denseGradient === true || this.state.needsDenseGradient;
    const skip = needs.skipOptimizerStep === true;
    const twoPasses = this.state.twoPasses(progress);
    const kind = `${dense ? 'dense' : 'kept'} ${skip ? 'gradient' : 'step'} ${twoPasses ? 2 : 1}`;
    let graph = this.#graphs.get(kind);
    if (graph === undefined) {
      graph = this.model.device.capture(() => scope(() => this.#record(dense, skip, twoPasses)));
      this.#graphs.set(kind, graph);
    }
    return graph;
  }

  #record(dense: boolean, skip: boolean, twoPasses: boolean): void {
    this.passes.forward = 0;
    this.passes.backward = 0;
    for (const parameter of this.state.arena.parameters) parameter.gradientEverywhere = dense;
    this.model.train();
    const batch = this.options.input();
    this.#pass(batch, { report: true });
    if (twoPasses) {
      this.state.perturb();
      this.model.trackStatistics(false);
      this.#pass(batch);
      this.model.trackStatistics(true);
      if (skip) this.state.restore();
    }
    if (!skip) this.state.step();
  }

  /** Forward and backward; a gradient of a parameter the loss does not depend on is zero. */
  #pass({ x, labels }: BatchTensors, { report = false, accumulate = false } = {}): void {
    const { labelSmoothing = 0 } = this.options;
    const tape = new Tape();
    const { loss, logits } = tape.record(() => {
      const logits = this.model.forward(x);
      return { logits, loss: crossEntropy(logits, labels, { labelSmoothing }) };
    });
    this.passes.forward += 1;
    if (report) {
      this.#metric(0, loss);
      this.#metric(1, countCorrect(logits, labels));
    }
    tape.backward(loss, undefined, { accumulate, release: { keep: [] } });
    this.passes.backward += 1;
    for (const parameter of this.state.arena.parameters) {
      if (!tape.parameters.has(parameter) && !accumulate) parameter.gradient.fill(0);
    }
  }

  #metric(slot: number, value: Tensor): void {
    this.#metrics.view(slot, [1]).copyFrom(value);
  }

  async #read(): Promise<StepResult> {
    const [loss = Number.NaN, correct = 0, , , , , , , gradNorm = 0, perturbNorm = 0, skippedSteps = 0, skipped = 0] =
      await this.#metrics.toArray();
    return { loss, correct, gradNorm, perturbNorm, skippedSteps, skippedPerturbations: skipped };
  }
}
