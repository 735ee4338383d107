import type { Device } from '../device/device.js';
import { InternalError } from '../errors.js';
import { unscoped } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';

/** f32 tensors by name that live as long as a training: what a strategy remembers, and the weights that rounds go back to. */
export class NamedTensors implements Disposable {
  readonly #tensors = new Map<string, Tensor>();
  readonly #transient = new Set<string>();

  constructor(private readonly device: Device) {}

  /** Those that a checkpoint holds. */
  get lasting(): ReadonlyMap<string, Tensor> {
    return new Map([...this.#tensors].filter(([name]) => !this.#transient.has(name)));
  }

  /** Zeros at first. Throws InternalError when the shape is another than before. */
  get(name: string, shape: readonly number[], { transient = false } = {}): Tensor {
    const found = this.#tensors.get(name);
    if (transient) this.#transient.add(name);
    if (found === undefined) {
      const made = unscoped(() => this.device.zeros(shape, { activation: false }));
      this.#tensors.set(name, made);
      return made;
    }
    if (String(found.shape) !== String(shape)) {
      throw new InternalError(
        `memory: ${name} is ${JSON.stringify(found.shape)}, but was asked for as ${JSON.stringify(shape)}`,
        { op: 'memory' },
      );
    }
    return found;
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
  }
}
