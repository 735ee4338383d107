import type { Device } from '@s2sam/core';
import type { DTypeName, HostArray, MaskHandle, NativeBinding, TensorHandle } from '@s2sam/native';
import { packBits } from './counter.js';
import type { GoldenInput } from './golden.js';

function dtypeOf(data: HostArray): DTypeName {
  if (data instanceof Float32Array) return 'f32';
  if (data instanceof Int32Array) return 'i32';
  return data instanceof Uint32Array ? 'u32' : 'u8';
}

/** Tensors and masks of one test of the native surface; all are freed when it ends. */
export class Handles implements Disposable {
  readonly native: NativeBinding;
  readonly #tensors: TensorHandle[] = [];
  readonly #masks: MaskHandle[] = [];

  constructor(readonly device: Device) {
    this.native = device.native;
  }

  /** Frees this tensor too; 0 is none. */
  own(tensor: TensorHandle): TensorHandle {
    if (tensor !== 0) this.#tensors.push(tensor);
    return tensor;
  }

  tensor({ shape, data }: { shape: readonly number[]; data: HostArray }, activation = false): TensorHandle {
    const tensor = this.own(this.native.create(this.device.handle, dtypeOf(data), shape, activation));
    this.native.write(tensor, data);
    return tensor;
  }

  /** Images in the backend's own layout. */
  image(input: GoldenInput): TensorHandle {
    return this.tensor(input, true);
  }

  f32(values: ArrayLike<number>, shape: readonly number[] = [values.length]): TensorHandle {
    return this.tensor({ shape, data: Float32Array.from(values) });
  }

  filled(shape: readonly number[], value: number): TensorHandle {
    const tensor = this.own(this.native.create(this.device.handle, 'f32', shape, false));
    this.native.fill(tensor, value);
    return tensor;
  }

  /** Rank 4 f32 input as an image, anything else plain. */
  either(input: GoldenInput): TensorHandle {
    return this.tensor(input, input.shape.length === 4 && input.data instanceof Float32Array);
  }

  mask(kept: ArrayLike<number>, shape: readonly number[]): MaskHandle {
    const packed = packBits(kept);
    const mask = this.native.createMask(this.tensor({ shape: [packed.length], data: packed }), shape);
    this.#masks.push(mask);
    return mask;
  }

  /** Contents of a tensor the op made, which is freed with the others. */
  async read(tensor: TensorHandle): Promise<HostArray> {
    return await this.native.read(this.own(tensor));
  }

  [Symbol.dispose](): void {
    for (const mask of this.#masks) this.native.disposeMask(mask);
    for (const tensor of this.#tensors) this.native.dispose(tensor);
  }
}
