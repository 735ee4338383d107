import type {
  DeviceHandle,
  DTypeName,
  HostArray,
  KernelChoice,
  MachinePeaks,
  MemoryInfo,
  NativeBinding,
  ProfileSpan,
} from '@s2sam/native';
import { DisposedError } from '../errors.js';
import { isFloat, Tensor } from '../tensor/tensor.js';
import { Graph } from './graph.js';

export type DeviceKind = 'cpu' | 'cuda';

export interface TensorOptions {
  /** Default: the array's own type, f32 for number arrays. */
  readonly dtype?: DTypeName;
  /** Keep [N, C, H, W] in the backend's own layout, as image ops need it. Default: true for floating point of rank 4. */
  readonly activation?: boolean;
}

/**
 * One compute device. Ops are enqueued in microseconds and run in order on a thread (or stream) of the device's own; only reads
 * wait, as promises. Disposing it drops queued work and frees all its tensors.
 */
export class Device implements Disposable, AsyncDisposable {
  readonly kind: DeviceKind;
  readonly name: string;
  /** Instruction set the CPU kernels use; empty on a GPU. */
  readonly isa: string;
  readonly threads: number;
  /** The addon's typed surface, for code that adds ops. */
  readonly native: NativeBinding;
  readonly #handle: DeviceHandle;
  #disposed = false;

  /** @internal Use `openDevice`. */
  constructor(native: NativeBinding, handle: DeviceHandle) {
    const info = native.deviceInfo(handle);
    this.native = native;
    this.#handle = handle;
    this.kind = info.kind;
    this.name = info.name;
    this.isa = info.isa;
    this.threads = info.threads;
  }

  /** @throws DisposedError */
  get handle(): DeviceHandle {
    if (this.#disposed)
      throw new DisposedError(`device ${this.name} has been disposed; open it again`, { op: 'device' });
    return this.#handle;
  }

  /** Whether this device computes in a type; the CPU does not in `f16` and `bf16`. */
  supports(dtype: DTypeName): boolean {
    return this.native.stores(dtype);
  }

  /** Copies host data (row-major) to the device. Throws ShapeError when the count does not fit the shape. */
  tensor(data: HostArray | readonly number[], shape: readonly number[], options: TensorOptions = {}): Tensor {
    return Tensor.from(this, data, shape, options);
  }

  /** A tensor of zeros. */
  zeros(shape: readonly number[], options: TensorOptions = {}): Tensor {
    const dtype = options.dtype ?? 'f32';
    const activation = options.activation ?? (isFloat(dtype) && shape.length === 4);
    return Tensor.adopt(this, this.native.create(this.handle, dtype, shape, activation));
  }

  /** Living tensors, bytes in them, bytes kept for reuse. */
  memory(): MemoryInfo {
    return this.native.memory(this.handle);
  }

  resetPeakMemory(): void {
    this.native.resetPeak(this.handle);
  }

  /** Gives memory kept for reuse back to the system. */
  trim(): void {
    this.native.trim(this.handle);
  }

  /** Waits for everything enqueued so far; rejects with the first error an op met while running. */
  synchronize(): Promise<void> {
    return this.native.synchronize(this.handle);
  }

  /**
   * From now on ops are timed as they run, and what was timed before is forgotten. On CUDA, ops of a recorded step (`capture`) are
   * timed where it was recorded while a profile was taken; its replays then wait for the device, and each op takes some microseconds
   * more. Throws ArgumentError while a step is recorded.
   */
  beginProfile(): void {
    this.native.beginProfile(this.handle);
  }

  /** Waits for everything enqueued so far; the ops that ran since `beginProfile`, in order. */
  async endProfile(): Promise<ProfileSpan[]> {
    await this.synchronize();
    return this.native.endProfile(this.handle);
  }

  /** How the layers that have run were computed, see `KernelChoice`. */
  kernelChoices(): KernelChoice[] {
    return this.native.choices(this.handle);
  }

  /**
   * What the device reaches at most; takes about a second, in which nothing else should run. On CUDA throws DeviceError where there is
   * no cuBLAS.
   */
  measurePeaks(): Promise<MachinePeaks> {
    return this.native.measurePeaks(this.handle);
  }

  /**
   * Records the ops that `record` calls, without running them; `graph.replay()` then runs all of them with one call. Tensors made
   * inside keep their place in memory; values flow in through tensors made outside and written before each replay. Inside, reading
   * and writing host data is an error.
   */
  capture(record: () => void): Graph {
    this.native.captureBegin(this.handle);
    try {
      record();
    } catch (error) {
      this.native.captureAbort(this.handle);
      throw error;
    }
    return new Graph(this.native, this.native.captureEnd(this.handle));
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.native.closeDevice(this.#handle);
  }

  /** Lets queued work finish first. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    try {
      await this.synchronize();
    } finally {
      this[Symbol.dispose]();
    }
  }
}
