import type { Device } from '@s2sam/core';
import { HYPER_SIZE, Hyper, STATS_SIZE, Stat, type TensorHandle } from '@s2sam/native';
import { packBits } from './counter.js';
import { Handles } from './handles.js';

/** Parameters start at multiples of this many elements. */
const ALIGNMENT = 128;

export interface ArenaOptions {
  readonly weights: readonly number[];
  /** 1 where kept. Default: all. */
  readonly mask?: readonly number[];
  readonly lr?: number;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly weightDecay?: number;
  readonly rho?: number;
  readonly maxNorm?: number;
  readonly policy?: 'masked' | 'dense';
  readonly adaptive?: boolean;
}

/** One parameter in the flat arrays of the native optimizer ops, stepped by gradients a test writes. */
export class TestArena implements Disposable {
  readonly #handles: Handles;
  readonly #count: number;
  readonly #options: ArenaOptions;
  readonly #tensors: Record<
    'master' | 'momentum' | 'gradient' | 'working' | 'bits' | 'segments' | 'decay' | 'hyper' | 'stats',
    TensorHandle
  >;

  constructor(device: Device, options: ArenaOptions) {
    const handles = new Handles(device);
    const {
      weights,
      mask = weights.map(() => 1),
      lr = 0.1,
      momentum = 0.9,
      weightDecay = 0,
      rho = 0.05,
      maxNorm = 0,
    } = options;
    this.#handles = handles;
    this.#options = options;
    this.#count = weights.length;
    const size = Math.ceil(weights.length / ALIGNMENT) * ALIGNMENT;
    const flat = (values: ArrayLike<number>): Float32Array => {
      const padded = new Float32Array(size);
      padded.set(values);
      return padded;
    };
    const masked = flat(weights.map((weight, i) => weight * (mask[i] as number)));
    const hyper = new Float32Array(HYPER_SIZE);
    hyper.set([lr, momentum, rho, maxNorm], Hyper.lr);
    this.#tensors = {
      master: handles.f32(masked),
      working: handles.f32(masked),
      momentum: handles.filled([size], 0),
      gradient: handles.filled([size], 0),
      bits: handles.tensor({ shape: [size / 32], data: packBits(flat(mask)) }),
      segments: handles.tensor({ shape: [1, 2], data: Int32Array.of(0, weights.length) }),
      decay: handles.f32([weightDecay]),
      hyper: handles.f32(hyper),
      stats: handles.filled([STATS_SIZE], 0),
    };
  }

  async read(name: 'master' | 'momentum' | 'gradient' | 'working'): Promise<Float32Array> {
    return ((await this.#handles.native.read(this.#tensors[name])) as Float32Array).subarray(0, this.#count);
  }

  /** working - master. */
  async perturbation(): Promise<Float32Array> {
    const master = await this.read('master');
    return (await this.read('working')).map((value, i) => value - (master[i] as number));
  }

  async stat(name: keyof typeof Stat): Promise<number> {
    return (await this.#handles.native.read(this.#tensors.stats))[Stat[name]] as number;
  }

  writeStat(name: keyof typeof Stat, value: number): void {
    const { native } = this.#handles;
    const slot = this.#handles.own(native.view(this.#tensors.stats, Stat[name], [1]));
    native.fill(slot, value);
  }

  updateLossScale(interval: number): void {
    this.#handles.native.updateLossScale(this.#tensors.stats, interval);
  }

  writeGradient(values: ArrayLike<number>): void {
    const padded = new Float32Array(Math.ceil(this.#count / ALIGNMENT) * ALIGNMENT);
    padded.set(values);
    this.#handles.native.write(this.#tensors.gradient, padded);
  }

  /** The base optimizer's step; `perturb`: S2-SAM's perturbation in the same pass. */
  step(perturb: boolean): void {
    const { native } = this.#handles;
    const { gradient, master, momentum, working, bits, segments, decay, hyper, stats } = this.#tensors;
    const { nesterov = false, policy = 'masked' } = this.#options;
    for (const slot of [Stat.gradNorm, Stat.perturbNorm]) native.gradientNorm(gradient, this.#bits, 0, slot, stats);
    native.optimizerStep(
      master,
      momentum,
      gradient,
      working,
      0,
      bits,
      segments,
      decay,
      hyper,
      stats,
      nesterov,
      policy === 'masked',
      perturb,
    );
  }

  /** working = master + e, from the gradient as it is: SAM's ascent, and the second half of adaptive S2-SAM. */
  perturb(): void {
    const { native } = this.#handles;
    const { gradient, master, working, bits, hyper, stats } = this.#tensors;
    const { adaptive = false, policy = 'masked' } = this.#options;
    native.gradientNorm(gradient, this.#bits, adaptive ? master : 0, Stat.perturbNorm, stats);
    native.perturb(master, gradient, working, 0, bits, hyper, stats, policy === 'masked', adaptive);
  }

  [Symbol.dispose](): void {
    this.#handles[Symbol.dispose]();
  }

  get #bits(): TensorHandle {
    return this.#options.policy === 'dense' ? 0 : this.#tensors.bits;
  }
}
