import type { DTypeName, FloatName, HostArray, NativeBinding, ReadArray, TensorHandle } from '@s2sam/native';
import type { Device, TensorOptions } from '../device/device.js';
import { ArgumentError, DeviceError, DisposedError, ShapeError } from '../errors.js';
import { currentScope } from './scope.js';

/** Frees what a program forgot; programs that care use `using`, `dispose` or `scope`. */
const forgotten = new FinalizationRegistry<{ native: NativeBinding; handle: TensorHandle }>(({ native, handle }) =>
  native.dispose(handle),
);

const product = (shape: readonly number[]): number => shape.reduce((count, extent) => count * extent, 1);

const arrayTypes = {
  f32: Float32Array,
  f16: Float32Array,
  bf16: Float32Array,
  i32: Int32Array,
  u32: Uint32Array,
  u8: Uint8Array,
} as const;

/** Whether images may have this type. */
export const isFloat = (dtype: DTypeName): dtype is FloatName => dtype === 'f32' || dtype === 'f16' || dtype === 'bf16';

const dtypeOf = (data: HostArray | readonly number[]): DTypeName => {
  if (data instanceof Int32Array) return 'i32';
  if (data instanceof Uint32Array) return 'u32';
  if (data instanceof Uint8Array) return 'u8';
  return 'f32';
};

/**
 * An array on a device. Shapes are PyTorch's ([N, C, H, W] for images); the memory layout belongs to the device. A tensor made
 * inside a `scope` belongs to it; every other one is its maker's to dispose.
 */
export class Tensor implements Disposable {
  readonly device: Device;
  readonly shape: readonly number[];
  readonly dtype: DTypeName;
  #handle: TensorHandle;

  private constructor(device: Device, handle: TensorHandle) {
    this.device = device;
    this.#handle = handle;
    this.shape = device.native.shape(handle);
    this.dtype = device.native.dtype(handle);
  }

  /** Wraps a handle the addon returned; the tensor owns it from here on. */
  static adopt(device: Device, handle: TensorHandle): Tensor {
    const tensor = new Tensor(device, handle);
    forgotten.register(tensor, { native: device.native, handle }, tensor);
    currentScope()?.add(tensor);
    return tensor;
  }

  /** See `Device.tensor`. */
  static from(
    device: Device,
    data: HostArray | readonly number[],
    shape: readonly number[],
    options: TensorOptions = {},
  ): Tensor {
    const dtype = options.dtype ?? dtypeOf(data);
    const activation = options.activation ?? (isFloat(dtype) && shape.length === 4);
    if (data.length !== product(shape)) {
      throw new ShapeError(
        `tensor: ${data.length} values do not fill the shape ${JSON.stringify(shape)}, which has ${product(shape)}`,
        { op: 'tensor' },
      );
    }
    const tensor = Tensor.adopt(device, device.native.create(device.handle, dtype, shape, activation));
    tensor.write(data);
    return tensor;
  }

  /** @throws DisposedError */
  get handle(): TensorHandle {
    if (this.#handle === 0) {
      throw new DisposedError(`tensor ${JSON.stringify(this.shape)} has been disposed and cannot be used`, {
        op: 'tensor',
      });
    }
    return this.#handle;
  }

  get disposed(): boolean {
    return this.#handle === 0;
  }

  /** Number of elements. */
  get size(): number {
    return product(this.shape);
  }

  /** A window on `count(shape)` elements from `offset` on; shares the memory. */
  view(offset: number, shape: readonly number[]): Tensor {
    return Tensor.adopt(this.device, this.device.native.view(this.handle, offset, shape));
  }

  /** Replaces the contents by host data (row-major; a Float32Array for f16 and bf16); the array may be reused at once. */
  write(data: HostArray | readonly number[]): void {
    const array = Array.isArray(data) ? new arrayTypes[this.dtype](data) : (data as HostArray);
    this.device.native.write(this.handle, array);
  }

  fill(value: number): void {
    this.device.native.fill(this.handle, value);
  }

  /** Takes over the contents of a tensor of the same shape; between f32, f16 and bf16 they are converted. */
  copyFrom(source: Tensor): void {
    sameDevice('copyFrom', this, source);
    this.device.native.copy(source.handle, this.handle);
  }

  /** Contents in row-major order, once all work enqueued so far is done; f16 and bf16 as a Float32Array. */
  toArray(): Promise<ReadArray> {
    return this.device.native.read(this.handle);
  }

  /** The value of a tensor with one element. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new ShapeError(`item: the tensor has shape ${JSON.stringify(this.shape)}, item() needs one element`, {
        op: 'item',
      });
    }
    return (await this.toArray())[0] as number;
  }

  /** Frees the tensor; its memory is reused at once. Idempotent. */
  dispose(): void {
    if (this.#handle === 0) return;
    forgotten.unregister(this);
    currentScope()?.delete(this);
    this.device.native.dispose(this.#handle);
    this.#handle = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Operands must live on one device. */
export function sameDevice(op: string, first: Tensor, ...others: readonly Tensor[]): void {
  for (const other of others) {
    if (other.device !== first.device) {
      throw new DeviceError(
        `${op}: one operand is on ${first.device.name}, another on ${other.device.name}; copy one of them first`,
        { op },
      );
    }
  }
}

/** For options that must be positive whole numbers. */
export function positiveInteger(op: string, name: string, value: number): number {
  if (!Number.isInteger(value) || value < 1) {
    throw new ArgumentError(`${op}: ${name} is ${value}; it must be a whole number >= 1`, { op });
  }
  return value;
}
