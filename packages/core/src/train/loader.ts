import type { Device } from '../device/device.js';
import { ShapeError } from '../errors.js';
import { streamKey } from '../random/key.js';
import { permutation } from '../random/philox.js';
import { unscoped } from '../tensor/scope.js';
import { Tensor } from '../tensor/tensor.js';
import type { ImageDataset, Split } from './data.js';

/** Images [N, C, H, W], normalised, and labels i32 [N]. */
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
 * Batches of a split that lives on the device as uint8; crop, flip and normalisation happen there. Which batch comes next is a
 * device tensor, so that `load` can be recorded.
 */
export class Loader implements Disposable {
  readonly batchSize: number;
  /** Whole batches. */
  readonly batches: number;
  readonly #images: Tensor;
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

  constructor(device: Device, data: ImageDataset, split: Split, options: LoaderOptions) {
    const [c, h, w] = data.imageShape;
    if (split.images.length !== split.size * c * h * w || split.labels.length !== split.size) {
      throw new ShapeError(
        `loader: ${data.name} has ${split.images.length} bytes and ${split.labels.length} labels for ${split.size} images of ` +
          `${c}x${h}x${w}; they do not match`,
        { op: 'loader' },
      );
    }
    this.batchSize = options.batchSize;
    this.batches = Math.floor(split.size / options.batchSize);
    this.#size = split.size;
    this.#device = device;
    this.#options = options;
    this.#augmentation = options.shuffle?.augment === true ? data.augmentation : { pad: 0, flip: false };
    [this.#images, this.#labels, this.#mean, this.#std, this.#indices, this.#clock] = unscoped(() => [
      device.tensor(split.images, [split.size, c, h, w]),
      device.tensor(Int32Array.from(split.labels), [split.size]),
      device.tensor(data.mean, [c]),
      device.tensor(data.std, [c]),
      device.zeros([options.batchSize], { dtype: 'i32' }),
      device.zeros([1], { dtype: 'i32' }),
    ]);
  }

  /** Makes batch `index` of `epoch` the one that `load` reads. */
  select(epoch: number, index: number): void {
    const begin = index * this.batchSize;
    this.#clock.write(Int32Array.of(epoch));
    this.#indices.write(this.#epochOrder(epoch).subarray(begin, begin + this.batchSize));
  }

  /** The selected batch: x [N, C, H, W], labels [N]. */
  load(): BatchTensors {
    return this.#load(this.#indices);
  }

  /** The images after the last whole batch; undefined when there are none. Not for recording. */
  remainder(): (BatchTensors & { readonly size: number }) | undefined {
    const size = this.#size - this.batches * this.batchSize;
    if (size === 0) return undefined;
    const rest = Int32Array.from({ length: size }, (_, index) => this.batches * this.batchSize + index);
    using indices = this.#device.tensor(rest, [size]);
    return { ...this.#load(indices), size };
  }

  [Symbol.dispose](): void {
    for (const tensor of [this.#images, this.#labels, this.#mean, this.#std, this.#indices, this.#clock])
      tensor.dispose();
  }

  #load(indices: Tensor): BatchTensors {
    const { native } = this.#device;
    const { pad, flip } = this.#augmentation;
    const [key0, key1] = streamKey(this.#options.shuffle?.seed ?? 0, 'augment');
    const x = native.augment(
      this.#images.handle,
      indices.handle,
      this.#clock.handle,
      this.#mean.handle,
      this.#std.handle,
      pad,
      flip,
      key0,
      key1,
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
