import type { FloatName } from '@s2sam/native';
import type { Device } from '../device/device.js';
import { streamKey } from '../random/key.js';
import { Mask } from '../sparsity/mask.js';
import { unscoped } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Parameter, ParameterStorage } from './parameter.js';

/** Parameters start at multiples of this many elements, so that vectors and mask words never straddle two of them. */
const ALIGNMENT = 128;

interface Slot {
  readonly parameter: Parameter;
  readonly offset: number;
}

/**
 * All parameters of a model in flat arrays, so that one kernel takes an optimizer step over all of them. Masks are windows on one
 * bit array; weights without a mask have ones there.
 */
export class ParameterArena implements Disposable {
  readonly device: Device;
  /** Elements, padding included. */
  readonly size: number;
  readonly master: Tensor;
  readonly gradient: Tensor;
  readonly momentum: Tensor;
  /** `working` in 16 bit: what training's matrix products read where the model computes in f16 or bf16. */
  readonly compute: Tensor | undefined;
  readonly bits: Tensor;
  /** i32 [parameters, 2]: begin and end of each parameter. */
  readonly segments: Tensor;
  readonly parameters: readonly Parameter[];
  readonly #slots: readonly Slot[];
  readonly #owned: Disposable[] = [];
  #working: Tensor;

  constructor(
    device: Device,
    parameters: readonly Parameter[],
    seed: number,
    /** What the model computes in. */
    readonly dtype: FloatName = 'f32',
  ) {
    this.device = device;
    this.parameters = parameters;
    let offset = 0;
    this.#slots = parameters.map((parameter) => {
      const slot = { parameter, offset };
      offset += Math.ceil(parameter.size / ALIGNMENT) * ALIGNMENT;
      return slot;
    });
    this.size = Math.max(offset, ALIGNMENT);
    this.master = this.#own(device.zeros([this.size]));
    this.gradient = this.#own(device.zeros([this.size]));
    this.momentum = this.#own(device.zeros([this.size]));
    this.compute = dtype === 'f32' ? undefined : this.#own(device.zeros([this.size], { dtype }));
    this.bits = this.#own(device.zeros([this.size / 32], { dtype: 'u32' }));
    this.bits.write(new Uint32Array(this.size / 32).fill(0xffffffff));
    this.segments = this.#own(device.zeros([Math.max(1, parameters.length), 2], { dtype: 'i32' }));
    if (parameters.length > 0) {
      this.segments.write(
        Int32Array.from(this.#slots.flatMap(({ parameter, offset }) => [offset, offset + parameter.size])),
      );
    }
    this.#working = this.master;
    this.#bind();
    for (const parameter of parameters) initialise(parameter, seed);
    this.resetWorking();
  }

  /** What training's forward pass reads; the master itself until `separateWorking`. */
  get working(): Tensor {
    return this.#working;
  }

  /** Gives the working copy memory of its own, for optimizers that perturb. Idempotent. */
  separateWorking(): void {
    if (this.#working !== this.master) return;
    this.#working = this.#own(this.device.zeros([this.size]));
    this.#bind();
    this.resetWorking();
  }

  /** The working copy, and its 16-bit form, become the master: after the master was written by anything but the optimizer's step. */
  resetWorking(): void {
    if (this.#working !== this.master) this.#working.copyFrom(this.master);
    this.compute?.copyFrom(this.master);
  }

  /** Adds a mask (all kept) to a parameter that has none. */
  addMask(parameter: Parameter): Mask {
    if (parameter.mask !== undefined) return parameter.mask;
    const slot = this.#slots.find((candidate) => candidate.parameter === parameter) as Slot;
    const words = Math.ceil(parameter.size / 32);
    const bits = this.#own(unscoped(() => this.bits.view(slot.offset / 32, [words])));
    const mask = this.#own(new Mask(this.device, bits, parameter.shape, parameter.size));
    mask.fill(true);
    parameter.mask = mask;
    return mask;
  }

  /** Windows on a flat array of the arena's size, by the names of the parameters. The caller disposes them. */
  windows(flat: Tensor): Map<string, Tensor> {
    return new Map(this.#slots.map(({ parameter, offset }) => [parameter.name, flat.view(offset, parameter.shape)]));
  }

  [Symbol.dispose](): void {
    for (const owned of this.#owned.reverse()) owned[Symbol.dispose]();
    this.#owned.length = 0;
  }

  #bind(): void {
    for (const { parameter, offset } of this.#slots) {
      const view = (flat: Tensor): Tensor => this.#own(unscoped(() => flat.view(offset, parameter.shape)));
      const value = view(this.master);
      const storage: ParameterStorage = {
        value,
        working: this.#working === this.master ? value : view(this.#working),
        compute: this.compute === undefined || parameter.kind !== 'weight' ? undefined : view(this.compute),
        gradient: view(this.gradient),
        momentum: view(this.momentum),
      };
      parameter.bind(storage);
    }
  }

  #own<T extends Disposable>(owned: T): T {
    this.#owned.push(owned);
    return owned;
  }
}

function initialise(parameter: Parameter, seed: number): void {
  const { init, value, name } = parameter;
  if (init.kind === 'constant') {
    value.fill(init.value);
  } else {
    const [key0, key1] = streamKey(seed, `init/${name}`);
    value.device.native.randomNormal(value.handle, key0, key1, 0, init.std);
  }
}
