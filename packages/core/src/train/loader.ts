import type { FloatName } from '@s2sam/native';
import type { Device } from '../device/device.js';
import { streamKey } from '../random/key.js';
import { permutation } from '../random/philox.js';
import { scope, unscoped } from '../tensor/scope.js';
import { Tensor } from '../tensor/tensor.js';
import type { AnySplit, ImageDataset } from './data.js';
import { type BatchImages, type ImageStore, imageStore, type Wanted } from './images.js';
import type { Mixing, Mixture } from './mix.js';

const NO_AUGMENTATION = { pad: 0, flip: false } as const;

/** Images [N, C, H, W], normalised, in the type the network computes in, and labels i32 [N]. */
export interface BatchTensors {
  readonly x: Tensor;
  readonly labels: Tensor;
  /** Of images that were mixed with others of their batch. */
  readonly mixture?: Mixture;
}

export interface LoaderOptions {
  readonly batchSize: number;
  /** Micro-batches that a batch is loaded in; divides `batchSize`. Default 1. */
  readonly parts?: number;
  /** Mixes the images of each micro-batch that is loaded. */
  readonly mixing?: Mixing | undefined;
  /** Shuffle and augment: keyed by (seed, epoch, image), so any batch can be had again at any time. Default: in order, unchanged. */
  readonly shuffle?: { readonly seed: number; readonly augment: boolean };
  /** Height and width of the images of an epoch, for streamed splits. Default: those of the data set. */
  readonly imageSize?: (epoch: number) => number;
}

/** Batches whose images are read before they are needed: one that is being read while another waits. */
const AHEAD = 2;

/**
 * Batches of a split, as uint8 on the device; crop, flip and normalisation happen there. Which batch comes next is a device tensor, so
 * that `load` can be recorded.
 */
export class Loader implements Disposable {
  readonly batchSize: number;
  readonly parts: number;
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
  readonly #imageShape: ImageDataset['imageShape'];
  /** Of this epoch and the next. */
  readonly #orders = new Map<number, Int32Array>();

  constructor(device: Device, data: ImageDataset<AnySplit>, split: AnySplit, options: LoaderOptions) {
    const [c] = data.imageShape;
    this.#images = imageStore(device, data, split, options.batchSize);
    this.batchSize = options.batchSize;
    this.parts = options.parts ?? 1;
    this.batches = Math.floor(split.size / options.batchSize);
    this.#size = split.size;
    this.#imageShape = data.imageShape;
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

  /** Makes batch `index` of `epoch` the one that `load` reads; the batches behind it are read ahead where images are streamed. */
  async select(epoch: number, index: number): Promise<void> {
    const wanted = this.#wanted(epoch, index);
    const images = await this.#images.select(wanted, () => this.#following(epoch, index));
    this.#clock.write(Int32Array.of(this.#images.clock(epoch, index)));
    this.#indices.write(images);
  }

  /** The selected batch, or one of its micro-batches: x [N, C, H, W] of this type, labels [N]. */
  load(dtype: FloatName = 'f32', part = 0): BatchTensors {
    const { images, rows } = this.#images.selected(this.#indices);
    const { mixing } = this.#options;
    const size = this.batchSize / this.parts;
    const own = (batch: Tensor): Tensor => (this.parts === 1 ? batch : batch.view(part * size, [size]));
    const batch = this.#load(own(this.#indices), { images, rows: own(rows) }, dtype, mixing?.numbers(part));
    return mixing === undefined ? batch : { ...batch, mixture: mixing.mixture(batch.labels, part) };
  }

  /**
   * Images by index, augmented as training does in this epoch, or not at all: resolves with what makes their batch, in f32 or another
   * type. Not for recording; changes what is selected.
   */
  async pick(images: Int32Array, epoch: number, augment: boolean): Promise<(dtype?: FloatName) => BatchTensors> {
    const { height, width } = this.#sizeIn(epoch);
    const picked = await this.#images.pick({
      key: '',
      indices: images,
      height,
      width,
      ...(augment ? this.#augmentIn(epoch) : {}),
    });
    return (dtype = 'f32') =>
      scope(() => {
        this.#clock.write(Int32Array.of(epoch));
        const indices = this.#device.tensor(picked.indices, [images.length]);
        const augmentation = augment ? this.#augmentation : NO_AUGMENTATION;
        return this.#load(indices, picked.tensors(), dtype, undefined, augmentation);
      });
  }

  /** The images after the last whole batch, as `pick` gives them; undefined when there are none. Not for recording. */
  async remainder(): Promise<
    { readonly size: number; readonly load: (dtype?: FloatName) => BatchTensors } | undefined
  > {
    const size = this.#size - this.batches * this.batchSize;
    if (size === 0) return undefined;
    const rest = Int32Array.from({ length: size }, (_, index) => this.batches * this.batchSize + index);
    return { size, load: await this.pick(rest, 0, false) };
  }

  [Symbol.dispose](): void {
    this.#images[Symbol.dispose]();
    for (const tensor of [this.#labels, this.#mean, this.#std, this.#indices, this.#clock]) tensor.dispose();
  }

  #sizeIn(epoch: number): Pick<Wanted, 'height' | 'width'> {
    const [, height, width] = this.#imageShape;
    const size = this.#options.imageSize?.(epoch);
    return size === undefined ? { height, width } : { height: size, width: size };
  }

  #augmentIn(epoch: number): Pick<Wanted, 'augment'> {
    const { shuffle } = this.#options;
    return shuffle?.augment === true ? { augment: { seed: shuffle.seed, epoch } } : {};
  }

  #wanted(epoch: number, index: number): Wanted {
    const indices = this.indicesOf(epoch, index);
    return { key: `${epoch}/${index}`, indices, ...this.#sizeIn(epoch), ...this.#augmentIn(epoch) };
  }

  /** The next batches, in the next epoch too where there is a further one. */
  #following(epoch: number, index: number): Wanted[] {
    const next = Array.from({ length: AHEAD }, (_, i) => index + 1 + i);
    const within = this.#options.shuffle === undefined ? next.filter((i) => i < this.batches) : next;
    return within.map((i) => this.#wanted(epoch + Math.floor(i / this.batches), i % this.batches));
  }

  #load(
    indices: Tensor,
    { images, rows }: BatchImages,
    dtype: FloatName,
    mix: Tensor | undefined,
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
      mix?.handle ?? 0,
    );
    return {
      x: Tensor.adopt(this.#device, x),
      labels: Tensor.adopt(this.#device, native.gather(this.#labels.handle, indices.handle)),
    };
  }

  #epochOrder(epoch: number): Int32Array {
    const known = this.#orders.get(epoch);
    if (known !== undefined) return known;
    const { shuffle } = this.#options;
    const order =
      shuffle === undefined
        ? Int32Array.from({ length: this.#size }, (_, index) => index)
        : permutation(this.#size, streamKey(shuffle.seed, 'order', epoch));
    for (const other of this.#orders.keys()) if (Math.abs(other - epoch) > 1) this.#orders.delete(other);
    this.#orders.set(epoch, order);
    return order;
  }
}
