import type { FloatName } from '@s2sam/native';
import type { Device } from '../device/device.js';
import { ArgumentError, DTypeError, InternalError } from '../errors.js';
import { type StreamKey, streamKey } from '../random/key.js';
import { unscoped } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { ParameterArena } from './arena.js';
import { Parameter } from './parameter.js';

/** State that is saved but not trained, e.g. running statistics. */
export class Buffer {
  #tensor: Tensor | undefined;

  constructor(
    readonly shape: readonly number[],
    readonly initial: number,
  ) {}

  get tensor(): Tensor {
    if (this.#tensor === undefined) throw new InternalError('a buffer has no storage; call initialize(model)');
    return this.#tensor;
  }

  /** @internal */
  bind(tensor: Tensor): void {
    this.#tensor = tensor;
  }
}

/**
 * What a layer draws anew in every training step: a stream of random numbers of its own, keyed by (seed, name), and the step, which is
 * on the device so that a recorded step never goes stale.
 */
export class Noise {
  #stream: { readonly key: StreamKey; readonly clock: Tensor } | undefined;

  get stream(): { readonly key: StreamKey; readonly clock: Tensor } {
    if (this.#stream === undefined) throw new InternalError('noise has no stream; call initialize(model)');
    return this.#stream;
  }

  /** @internal */
  bind(key: StreamKey, clock: Tensor): void {
    this.#stream = { key, clock };
  }
}

type Part = Module | Parameter | Buffer | Noise;

const isPart = (value: unknown): value is Part =>
  value instanceof Module || value instanceof Parameter || value instanceof Buffer || value instanceof Noise;

function* partsOf(value: unknown, name: string): Generator<[string, Part]> {
  if (isPart(value)) yield [name, value];
  else if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* partsOf(item, `${name}.${index}`);
}

/**
 * A piece of a network. Parameters, buffers and modules held in properties (or arrays) are found by name, so that names are
 * PyTorch's: `layer1.0.conv1.weight`. Call `initialize` on the outermost module before use; disposing it frees everything.
 */
export abstract class Module implements Disposable {
  /** Training mode: batch statistics, perturbed weights. Set by `train()` and `eval()`. */
  training = true;
  /** Batch norm updates its running statistics in training mode (SAM's second pass does not). */
  updateStatistics = true;
  #arena: ParameterArena | undefined;
  #buffers: Tensor | undefined;
  #views: Tensor[] = [];
  #clock: Tensor | undefined;

  abstract forward(x: Tensor): Tensor;

  /** Direct parts, by property name. */
  *parts(): Generator<[string, Part]> {
    for (const [name, value] of Object.entries(this)) yield* partsOf(value, name);
  }

  /** Every part below this one, depth first, in the order of declaration. */
  *walk(prefix = ''): Generator<[string, Part]> {
    for (const [name, part] of this.parts()) {
      yield [`${prefix}${name}`, part];
      if (part instanceof Module) yield* part.walk(`${prefix}${name}.`);
    }
  }

  namedParameters(): Map<string, Parameter> {
    return new Map([...this.walk()].filter((entry): entry is [string, Parameter] => entry[1] instanceof Parameter));
  }

  namedBuffers(): Map<string, Buffer> {
    return new Map([...this.walk()].filter((entry): entry is [string, Buffer] => entry[1] instanceof Buffer));
  }

  /** What a state dict holds: values of parameters, then buffers, by name. */
  namedState(): Map<string, Tensor> {
    const values = [...this.namedParameters()].map(([name, { value }]) => [name, value] as const);
    const buffers = [...this.namedBuffers()].map(([name, { tensor }]) => [name, tensor] as const);
    return new Map([...values, ...buffers]);
  }

  train(training = true): this {
    this.#each((module) => {
      module.training = training;
    });
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  /** See `updateStatistics`. */
  trackStatistics(update: boolean): void {
    this.#each((module) => {
      module.updateStatistics = update;
    });
  }

  /** Says which training step runs next, to layers that draw random numbers (dropout); enqueued. */
  setStep(step: number): void {
    this.#clock?.write(Int32Array.of(step));
  }

  get initialized(): boolean {
    return this.#arena !== undefined;
  }

  /** All parameters as flat arrays. */
  get arena(): ParameterArena {
    if (this.#arena === undefined) throw this.#noStorage();
    return this.#arena;
  }

  /** All buffers as one flat array. */
  get flatBuffers(): Tensor {
    if (this.#buffers === undefined) throw this.#noStorage();
    return this.#buffers;
  }

  /** Windows on an array like `flatBuffers`, by the names of the buffers. The caller disposes them. */
  bufferWindows(flat: Tensor): Map<string, Tensor> {
    let offset = 0;
    const windows = [...this.namedBuffers()].map(([name, { shape }]): [string, Tensor] => {
      const window = flat.view(offset, shape);
      offset += window.size;
      return [name, window];
    });
    return new Map(windows);
  }

  get device(): Device {
    return this.arena.device;
  }

  /** What the network computes in: the type of its images and, in training, of the weights of convolutions and linear layers. */
  get dtype(): FloatName {
    return this.arena.dtype;
  }

  /** @internal Use the function `initialize`. */
  allocate(device: Device, seed: number, dtype: FloatName): void {
    const parameters = this.namedParameters();
    for (const [name, parameter] of parameters) parameter.name = name;
    unscoped(() => {
      this.#arena = new ParameterArena(device, [...parameters.values()], seed, dtype);
      const buffers = [...this.namedBuffers().values()];
      const sizes = buffers.map(({ shape }) => shape.reduce((count, extent) => count * extent, 1));
      this.#buffers = device.zeros([
        Math.max(
          1,
          sizes.reduce((sum, size) => sum + size, 0),
        ),
      ]);
      this.#views = [...this.bufferWindows(this.#buffers).values()];
      for (const [index, buffer] of buffers.entries()) {
        const view = this.#views[index] as Tensor;
        view.fill(buffer.initial);
        buffer.bind(view);
      }
      const noises = [...this.walk()].filter((entry): entry is [string, Noise] => entry[1] instanceof Noise);
      if (noises.length === 0) return;
      this.#clock = device.zeros([1], { dtype: 'i32' });
      for (const [name, noise] of noises) noise.bind(streamKey(seed, name), this.#clock);
    });
  }

  [Symbol.dispose](): void {
    for (const view of this.#views) view.dispose();
    this.#buffers?.dispose();
    this.#arena?.[Symbol.dispose]();
    this.#clock?.dispose();
    this.#views = [];
    this.#clock = undefined;
    this.#buffers = undefined;
    this.#arena = undefined;
  }

  #noStorage(): ArgumentError {
    return new ArgumentError(
      `${this.constructor.name} has no parameters on a device yet; call initialize(model, { device })`,
      { op: 'initialize' },
    );
  }

  #each(visit: (module: Module) => void): void {
    visit(this);
    for (const [, part] of this.walk()) if (part instanceof Module) visit(part);
  }
}

export interface InitializeOptions {
  readonly device: Device;
  /** Default 0. Weights depend on (seed, parameter name) alone. */
  readonly seed?: number;
  /**
   * What the network computes in. Default f32. With f16 and bf16, images and the weights of matrix products are 16 bit in training,
   * while masters, statistics, gradients of parameters and the loss stay f32; f16 scales the loss (see `OptimizerState`).
   */
  readonly dtype?: FloatName;
}

/**
 * Gives a model its parameters on a device, drawn from their initial distributions. Returns the model. Throws DTypeError where the
 * device does not compute in `dtype`.
 */
export function initialize<M extends Module>(model: M, options: InitializeOptions): M {
  if (model.initialized) {
    throw new ArgumentError('initialize: the model has been initialized already; make a new one', { op: 'initialize' });
  }
  const { device, seed = 0, dtype = 'f32' } = options;
  if (!device.supports(dtype)) {
    throw new DTypeError(
      `initialize: ${device.name} (${device.kind}) does not compute in ${dtype}; use dtype 'f32' or a CUDA device`,
      { op: 'initialize' },
    );
  }
  model.allocate(device, seed, dtype);
  return model;
}
