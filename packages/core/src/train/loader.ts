import type { FloatName } from '@s2sam/native';
import type { Device } from '../device/device.js';
import { streamKey } from '../random/key.js';
import { permutation } from '../random/philox.js';
import { scope, unscoped } from '../tensor/scope.js';
import { Tensor } from '../tensor/tensor.js';
import type { AnySplit, ImageDataset } from './data.js';
import { type BatchImages, type ImageStore, imageStore } from './images.js';

const NO_AUGMENTATION = { pad: 0, flip: false } as const;

/** Images [N, C, H, W], normalised, in the type the network computes in, and labels i32 [N]. */
export interface BatchTensors {
  readonly x: Tensor;
  readonly labels: Tensor;
}

export interface LoaderOptions {
  readonly batchSize: number;
  /** Shuffle and augment: keyed by (seed, epoch, image), so any batch can be had again at any time. Default: in order, unchanged. */
  readonly shuffle?: { readonly seed: number; readonly augment: boolean };
}

/**
 * Batches of a split, as uint8 on the device; crop, flip and normalisation happen there. Which batch comes next is a device tensor, so
 * that `load` can be recorded.
 */
export class Loader implements Disposable {
  readonly batchSize: number;
  /** Whole batches. */
  readonly batches: number;
  readonly #images: ImageStore;
  readonly #labels: Tensor;
  readonly #mean: Tensor;
  readonly #std: Tensor;
  readonly #indices: Tensor;
  readonly #clock: Tensor;
  readonly #device: Device;
  readonly #options: LoaderOptions;
  readonly #augmentation: ImageDataset['augmentation'];
  readonly #size: number;
  #order: { epoch: number; indices: Int32Array } | undefined;

  constructor(device: Device, data: ImageDataset<AnySplit>, split: AnySplit, options: LoaderOptions) {
    const [c] = data.imageShape;
    this.#images = imageStore(device, data, split, options.batchSize);
    this.batchSize = options.batchSize;
    this.batches = Math.floor(split.size / options.batchSize);
    this.#size = split.size;
    this.#device = device;
    this.#options = options;
    this.#augmentation = options.shuffle?.augment === true ? data.augmentation : NO_AUGMENTATION;
    [this.#labels, this.#mean, this.#std, this.#indices, this.#clock] = unscoped(() => [
      device.tensor(Int32Array.from(split.labels), [split.size]),
      device.tensor(data.mean, [c]),
      device.tensor(data.std, [c]),
      device.zeros([options.batchSize], { dtype: 'i32' }),
      device.zeros([1], { dtype: 'i32' }),
    ]);
  }

  /** Which images batch `index` of `epoch` has. */
  indicesOf(epoch: number, index: number): Int32Array {
    const begin = index * this.batchSize;
    return this.#epochOrder(epoch).subarray(begin, begin + this.batchSize);
  }

  /** Makes batch `index` of `epoch` the one that `load` reads. */
  select(epoch: number, index: number): void {
    const images = this.indicesOf(epoch, index);
    this.#clock.write(Int32Array.of(this.#images.clock(epoch, index)));
    this.#indices.write(images);
    this.#images.select(images);
  }

  /** The selected batch: x [N, C, H, W] of this type, labels [N]. */
  load(dtype: FloatName = 'f32'): BatchTensors {
    return this.#load(this.#indices, this.#images.selected(this.#indices), dtype);
  }

  /** Images by index in f32, augmented as training does in this epoch, or not at all. Not for recording; changes what is selected. */
  pick(images: Int32Array, epoch: number, augment: boolean): BatchTensors {
    this.#clock.write(Int32Array.of(epoch));
    return this.#pick(images, 'f32', augment ? this.#augmentation : NO_AUGMENTATION);
  }

  /** The images after the last whole batch; undefined when there are none. Not for recording. */
  remainder(dtype: FloatName = 'f32'): (BatchTensors & { readonly size: number }) | undefined {
    const size = this.#size - this.batches * this.batchSize;
    if (size === 0) return undefined;
    const rest = Int32Array.from({ length: size }, (_, index) => this.batches * this.batchSize + index);
    return { ...this.#pick(rest, dtype), size };
  }

  [Symbol.dispose](): void {
    this.#images[Symbol.dispose]();
    for (const tensor of [this.#labels, this.#mean, this.#std, this.#indices, this.#clock]) tensor.dispose();
  }

  #pick(images: Int32Array, dtype: FloatName, augmentation = this.#augmentation): BatchTensors {
    return scope(() => {
      const indices = this.#device.tensor(images, [images.length]);
      return this.#load(indices, this.#images.pick(images), dtype, augmentation);
    });
  }

  #load(
    indices: Tensor,
    { images, rows }: BatchImages,
    dtype: FloatName,
    { pad, flip } = this.#augmentation,
  ): BatchTensors {
    const { native } = this.#device;
    const [key0, key1] = streamKey(this.#options.shuffle?.seed ?? 0, 'augment');
    const x = native.augment(
      images.handle,
      rows.handle,
      this.#clock.handle,
      this.#mean.handle,
      this.#std.handle,
      pad,
      flip,
      key0,
      key1,
      dtype,
    );
    return {
      x: Tensor.adopt(this.#device, x),
      labels: Tensor.adopt(this.#device, native.gather(this.#labels.handle, indices.handle)),
    };
  }

  #epochOrder(epoch: number): Int32Array {
    if (this.#order?.epoch !== epoch) {
      const { shuffle } = this.#options;
      const indices =
        shuffle === undefined
          ? Int32Array.from({ length: this.#size }, (_, index) => index)
          : permutation(this.#size, streamKey(shuffle.seed, 'order', epoch));
      this.#order = { epoch, indices };
    }
    return this.#order.indices;
  }
}
