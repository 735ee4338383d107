import { HYPER_SIZE, Hyper, STATS_SIZE, Stat } from '@s2sam/native';
import type { ParameterArena } from '../nn/arena.js';
import type { Module } from '../nn/module.js';
import { unscoped } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { baseOf, type Optimizer } from './optimizer.js';
import type { Progress } from './schedule.js';

/**
 * An optimizer at work on a model's arena. Everything that changes from step to step (learning rate, rho, norms) lives in device
 * memory, so that the methods below can be recorded once and replayed.
 */
export class OptimizerState implements Disposable {
  readonly optimizer: Optimizer;
  readonly arena: ParameterArena;
  /** f32: gradient norm, norm behind the perturbation, counts of skipped steps and perturbations; see `Stat`. */
  readonly stats: Tensor;
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
    const decays = arena.parameters.map(({ kind }) =>
      base.decayWeightsOnly && kind !== 'weight' ? 0 : base.weightDecay,
    );
    if (decays.length > 0) this.#decay.write(decays);
    if (optimizer.kind !== 'sgd') arena.separateWorking();
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

  /** Writes the learning rate and rho of a step to the device. */
  prepare(progress: Progress): void {
    const base = baseOf(this.optimizer);
    const hyper = new Float32Array(HYPER_SIZE);
    hyper[Hyper.lr] = base.lr.at(progress);
    hyper[Hyper.momentum] = base.momentum;
    hyper[Hyper.rho] = this.optimizer.kind !== 'sgd' && this.#perturbs(progress) ? this.optimizer.rho : 0;
    hyper[Hyper.maxNorm] = base.maxGradNorm;
    this.#hyper.write(hyper);
  }

  /** Takes the optimizer's step along the gradient in the arena; S2-SAM perturbs the working copy for the next one. */
  step(): void {
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
    const { master, gradient, working, bits, device } = this.arena;
    const { adaptive } = this.optimizer;
    const masked = !this.#dense;
    this.#norm(Stat.perturbNorm, adaptive ? master : undefined);
    device.native.perturb(
      master.handle,
      gradient.handle,
      working.handle,
      bits.handle,
      this.#hyper.handle,
      this.stats.handle,
      masked,
      adaptive,
    );
  }

  /** Back to plain weights: working = master. */
  restore(): void {
    if (this.arena.working !== this.arena.master) this.arena.working.copyFrom(this.arena.master);
  }

  [Symbol.dispose](): void {
    for (const parameter of this.arena.parameters) parameter.ignoreMask = false;
    this.#hyper.dispose();
    this.#decay.dispose();
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
    const { master, momentum, gradient, working, bits, segments, device } = this.arena;
    const { nesterov } = baseOf(this.optimizer);
    device.native.optimizerStep(
      master.handle,
      momentum.handle,
      gradient.handle,
      working.handle,
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
