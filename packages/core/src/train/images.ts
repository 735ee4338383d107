import type { Device } from '../device/device.js';
import { ShapeError } from '../errors.js';
import { unscoped } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { AnySplit, ImageDataset, Split, StreamedSplit } from './data.js';

/** uint8 images on the device, and which rows of them make a batch. */
export interface BatchImages {
  /** u8 [rows, C, H, W] */
  readonly images: Tensor;
  /** i32 [N] */
  readonly rows: Tensor;
}

/** Where a loader's images are. */
export interface ImageStore extends Disposable {
  /** The batch that recordings read; `indices` is the device tensor that names its images. */
  selected(indices: Tensor): BatchImages;
  /** Makes these images the selected ones; called whenever `indices` was written. */
  select(images: Int32Array): void;
  /** Other images, for use at once; the tensors belong to the scope of the caller. */
  pick(images: Int32Array): BatchImages;
  /** What tells one batch from another where random choices are keyed by row. */
  clock(epoch: number, batch: number): number;
}

type ImageShape = ImageDataset['imageShape'];

/** All images of a split, copied to the device once. Choices are keyed by image and epoch. */
class ResidentImages implements ImageStore {
  readonly #device: Device;
  readonly #images: Tensor;

  constructor(device: Device, name: string, split: Split, [c, h, w]: ImageShape) {
    if (split.images.length !== split.size * c * h * w) {
      throw new ShapeError(
        `loader: ${name} has ${split.images.length} bytes for ${split.size} images of ${c}x${h}x${w}; they do not match`,
        { op: 'loader' },
      );
    }
    this.#device = device;
    this.#images = unscoped(() => device.tensor(split.images, [split.size, c, h, w]));
  }

  selected(indices: Tensor): BatchImages {
    return { images: this.#images, rows: indices };
  }

  select(): void {}

  pick(images: Int32Array): BatchImages {
    return this.selected(this.#device.tensor(images, [images.length]));
  }

  clock(epoch: number): number {
    return epoch;
  }

  [Symbol.dispose](): void {
    this.#images.dispose();
  }
}

/**
 * One batch on the device, replaced at every step by images that the split reads. A step is enqueued while the one before it runs,
 * so reading and copying overlap with computing. Choices are keyed by place in the batch and number of the batch.
 */
class StreamedImages implements ImageStore {
  readonly #device: Device;
  readonly #split: StreamedSplit;
  readonly #shape: ImageShape;
  readonly #batches: number;
  readonly #staging: Uint8Array;
  readonly #images: Tensor;
  readonly #rows: Tensor;

  constructor(device: Device, split: StreamedSplit, shape: ImageShape, batchSize: number) {
    const [c, h, w] = shape;
    this.#device = device;
    this.#split = split;
    this.#shape = shape;
    this.#batches = Math.floor(split.size / batchSize);
    this.#staging = new Uint8Array(batchSize * c * h * w);
    [this.#images, this.#rows] = unscoped(() => [
      device.zeros([batchSize, c, h, w], { dtype: 'u8' }),
      device.tensor(inOrder(batchSize), [batchSize]),
    ]);
  }

  selected(): BatchImages {
    return { images: this.#images, rows: this.#rows };
  }

  select(images: Int32Array): void {
    this.#split.read(images, this.#staging);
    this.#images.write(this.#staging);
  }

  pick(images: Int32Array): BatchImages {
    const [c, h, w] = this.#shape;
    const pixels = new Uint8Array(images.length * c * h * w);
    this.#split.read(images, pixels);
    return {
      images: this.#device.tensor(pixels, [images.length, c, h, w]),
      rows: this.#device.tensor(inOrder(images.length), [images.length]),
    };
  }

  clock(epoch: number, batch: number): number {
    return epoch * this.#batches + batch;
  }

  [Symbol.dispose](): void {
    this.#images.dispose();
    this.#rows.dispose();
  }
}

const inOrder = (count: number): Int32Array => Int32Array.from({ length: count }, (_, index) => index);

/** Throws ShapeError when a split's arrays do not have the sizes it names. */
export function imageStore(
  device: Device,
  data: ImageDataset<AnySplit>,
  split: AnySplit,
  batchSize: number,
): ImageStore {
  if (split.labels.length !== split.size) {
    throw new ShapeError(`loader: ${data.name} has ${split.labels.length} labels for ${split.size} images`, {
      op: 'loader',
    });
  }
  return 'read' in split
    ? new StreamedImages(device, split, data.imageShape, batchSize)
    : new ResidentImages(device, data.name, split, data.imageShape);
}
