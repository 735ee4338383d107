import { BinaryOp, HYPER_SIZE, Hyper, STATS_SIZE, Stat } from '@s2sam/native';
import { copyOf } from '../autograd/tape.js';
import type { ParameterArena } from '../nn/arena.js';
import type { Module } from '../nn/module.js';
import { unscoped } from '../tensor/scope.js';
import { Tensor } from '../tensor/tensor.js';
import { baseOf, type Optimizer } from './optimizer.js';
import type { Progress } from './schedule.js';

/** Loss scaling of f16, PyTorch's `GradScaler` defaults: where the scale begins, and finite steps until it is doubled. */
const INITIAL_LOSS_SCALE = 65536;
const LOSS_SCALE_INTERVAL = 2000;

/** What of `stats` a checkpoint keeps. */
export interface OptimizerCounts {
  /** Since the training began: steps and perturbations left out because a norm was zero or not finite. */
  readonly skippedSteps: number;
  readonly skippedPerturbations: number;
  /** What the loss will be multiplied by in the next step; 0 where it is not scaled. */
  readonly lossScale: number;
  /** Finite steps since the scale last changed. */
  readonly goodSteps: number;
}

/**
 * An optimizer at work on a model's arena. Everything that changes from step to step (learning rate, rho, norms) lives in device
 * memory, so that the methods below can be recorded once and replayed.
 *
 * Where the model computes in f16, the loss is scaled dynamically (Micikevicius et al. 2018), so that small gradients do not vanish:
 * `lossScale` must seed the backward pass, a step whose gradient overflows is left out and halves the scale, and enough good ones
 * double it. Norms and updates are those of the unscaled loss.
 */
export class OptimizerState implements Disposable {
  readonly optimizer: Optimizer;
  readonly arena: ParameterArena;
  /** f32: gradient norm, norm behind the perturbation, counts of skipped steps and perturbations, loss scale; see `Stat`. */
  readonly stats: Tensor;
  /** Device scalar that the loss is multiplied by; undefined where it is not. */
  readonly lossScale: Tensor | undefined;
  readonly #hyper: Tensor;
  readonly #decay: Tensor;

  /** @param stats where the statistics go; default: a tensor of its own. */
  constructor(model: Module, optimizer: Optimizer, stats?: Tensor) {
    const { arena, device } = model;
    this.optimizer = optimizer;
    this.arena = arena;
    const base = baseOf(optimizer);
    [this.stats, this.#hyper, this.#decay] = unscoped(() => [
      stats ?? device.zeros([STATS_SIZE]),
      device.zeros([HYPER_SIZE]),
      device.zeros([Math.max(1, arena.parameters.length)]),
    ]);
    this.lossScale = arena.dtype === 'f16' ? unscoped(() => this.stats.view(Stat.lossScale, [1])) : undefined;
    this.lossScale?.fill(INITIAL_LOSS_SCALE);
    const decays = arena.parameters.map(({ kind }) =>
      base.decayWeightsOnly && kind !== 'weight' ? 0 : base.weightDecay,
    );
    if (decays.length > 0) this.#decay.write(decays);
    if (optimizer.kind !== 'sgd') arena.separateWorking();
    arena.resetWorking();
    for (const parameter of arena.parameters) {
      parameter.ignoreMask = this.#dense;
    }
  }

  /** Whether masked weights are perturbed and accumulate momentum too (policy `dense` of the released code). */
  get #dense(): boolean {
    return this.optimizer.kind !== 'sgd' && this.optimizer.policy === 'dense';
  }

  /** Whether the weight gradient is always needed at masked positions too. */
  get needsDenseGradient(): boolean {
    return this.#dense;
  }

  /** Whether this step takes SAM's two passes. */
  twoPasses(progress: Progress): boolean {
    return this.optimizer.kind === 'sam' && this.#perturbs(progress);
  }

  /** Learning rate of a step. */
  lr(progress: Progress): number {
    return baseOf(this.optimizer).lr.at(progress);
  }

  /** Writes the learning rate and rho of a step to the device. `plain`: no perturbation whatever the optimizer. */
  prepare(progress: Progress, plain = false): void {
    const base = baseOf(this.optimizer);
    const hyper = new Float32Array(HYPER_SIZE);
    hyper[Hyper.lr] = base.lr.at(progress);
    hyper[Hyper.momentum] = base.momentum;
    hyper[Hyper.rho] = this.optimizer.kind !== 'sgd' && !plain && this.#perturbs(progress) ? this.optimizer.rho : 0;
    hyper[Hyper.maxNorm] = base.maxGradNorm;
    this.#hyper.write(hyper);
  }

  /**
   * Takes the optimizer's step along the gradient in the arena; S2-SAM perturbs the working copy for the next one. `unscale`: leaves
   * the gradient of the unscaled loss in the arena, for mask strategies.
   */
  step(options: { readonly unscale?: boolean } = {}): void {
    this.#update();
    if (options.unscale === true) this.unscaleGradient();
    if (this.lossScale !== undefined) this.arena.device.native.updateLossScale(this.stats.handle, LOSS_SCALE_INTERVAL);
  }

  /** The gradient in the arena, of the scaled loss, becomes that of the loss itself. */
  unscaleGradient(): void {
    if (this.lossScale === undefined) return;
    const { device } = this.arena;
    using one = device.zeros([1]);
    one.fill(1);
    using inverse = Tensor.adopt(device, device.native.binary(BinaryOp.div, one.handle, this.lossScale.handle));
    this.#multiplyGradient(inverse);
  }

  /** The way back: the gradient of the loss itself becomes that of the scaled loss. */
  scaleGradient(): void {
    if (this.lossScale !== undefined) this.#multiplyGradient(this.lossScale);
  }

  /** Calls `look` while the arena holds the gradient of the unscaled loss. */
  withUnscaledGradient(look: () => void): void {
    const { gradient } = this.arena;
    using scaled = this.lossScale === undefined ? undefined : copyOf(gradient);
    this.unscaleGradient();
    look();
    if (scaled !== undefined) gradient.copyFrom(scaled);
  }

  #multiplyGradient(factor: Tensor): void {
    const { gradient, device } = this.arena;
    using product = Tensor.adopt(device, device.native.scaleBy(gradient.handle, factor.handle));
    gradient.copyFrom(product);
  }

  #update(): void {
    const { optimizer } = this;
    this.#norm(Stat.gradNorm);
    if (optimizer.kind !== 's2sam') {
      this.#step(false);
    } else if (optimizer.adaptive) {
      this.#step(false);
      this.perturb();
    } else {
      this.#copyStat(Stat.gradNorm, Stat.perturbNorm);
      this.#step(true);
    }
  }

  /** working = master + perturbation along the gradient in the arena: SAM's first half, and S2-SAM after a mask update or resume. */
  perturb(): void {
    if (this.optimizer.kind === 'sgd') return;
    const { master, gradient, working, compute, bits, device } = this.arena;
    const { adaptive } = this.optimizer;
    const masked = !this.#dense;
    this.#norm(Stat.perturbNorm, adaptive ? master : undefined);
    device.native.perturb(
      master.handle,
      gradient.handle,
      working.handle,
      compute?.handle ?? 0,
      bits.handle,
      this.#hyper.handle,
      this.stats.handle,
      masked,
      adaptive,
    );
  }

  /** Counts on from those of a checkpoint. */
  resumeCounts({ skippedSteps, skippedPerturbations, lossScale, goodSteps }: OptimizerCounts): void {
    using counts = this.stats.view(Stat.skippedSteps, [4]);
    counts.write([skippedSteps, skippedPerturbations, lossScale, goodSteps]);
  }

  /** Back to plain weights: working = master. */
  restore(): void {
    this.arena.resetWorking();
  }

  [Symbol.dispose](): void {
    for (const parameter of this.arena.parameters) parameter.ignoreMask = false;
    this.#hyper.dispose();
    this.#decay.dispose();
    this.lossScale?.dispose();
    this.stats.dispose();
  }

  #perturbs({ step, stepsPerEpoch }: Progress): boolean {
    return this.optimizer.kind !== 'sgd' && step >= this.optimizer.startEpoch * stepsPerEpoch;
  }

  #norm(slot: number, weights?: Tensor): void {
    const { gradient, bits, device } = this.arena;
    const masks = this.#dense ? 0 : bits.handle;
    device.native.gradientNorm(gradient.handle, masks, weights?.handle ?? 0, slot, this.stats.handle);
  }

  #copyStat(from: number, to: number): void {
    using source = this.stats.view(from, [1]);
    using target = this.stats.view(to, [1]);
    target.copyFrom(source);
  }

  #step(perturb: boolean): void {
    const { master, momentum, gradient, working, compute, bits, segments, device } = this.arena;
    const { nesterov } = baseOf(this.optimizer);
    device.native.optimizerStep(
      master.handle,
      momentum.handle,
      gradient.handle,
      working.handle,
      compute?.handle ?? 0,
      bits.handle,
      segments.handle,
      this.#decay.handle,
      this.#hyper.handle,
      this.stats.handle,
      nesterov,
      !this.#dense,
      perturb,
    );
  }
}
