import type { Device } from '../device/device.js';
import { DataError, ShapeError } from '../errors.js';
import { unscoped } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { AnySplit, ImageDataset, ReadRequest, Split, StreamedSplit } from './data.js';

/** uint8 images on the device, and which rows of them make a batch. */
export interface BatchImages {
  /** u8 [rows, C, H, W] */
  readonly images: Tensor;
  /** i32 [N] */
  readonly rows: Tensor;
}

/** A batch that will be needed: its images, their size, and how they are augmented while they are read. */
export interface Wanted extends Pick<ReadRequest, 'indices' | 'height' | 'width' | 'augment'> {
  /** The same for the same batch alone. */
  readonly key: string;
}

/** Images that were read: which they are, and the tensors, which belong to the scope of the caller. */
export interface Picked {
  readonly indices: Int32Array;
  readonly tensors: () => BatchImages;
}

/** Where a loader's images are. */
export interface ImageStore extends Disposable {
  /** The batch that recordings read; `indices` is the device tensor that names its images. */
  selected(indices: Tensor): BatchImages;
  /** Makes these images the selected ones, and begins to read those of `next`. Resolves with the images that they are. */
  select(batch: Wanted, next: () => readonly Wanted[]): Promise<Int32Array>;
  /** Other images, for use at once. */
  pick(batch: Wanted): Promise<Picked>;
  /** What tells one batch from another where random choices are keyed by row. */
  clock(epoch: number, batch: number): number;
}

type ImageShape = ImageDataset['imageShape'];

/** All images of a split, copied to the device once. Choices are keyed by image and epoch. */
class ResidentImages implements ImageStore {
  readonly #device: Device;
  readonly #shape: ImageShape;
  readonly #images: Tensor;

  constructor(device: Device, name: string, split: Split, shape: ImageShape) {
    const [c, h, w] = shape;
    if (split.images.length !== split.size * c * h * w) {
      throw new ShapeError(
        `loader: ${name} has ${split.images.length} bytes for ${split.size} images of ${c}x${h}x${w}; they do not match`,
        { op: 'loader' },
      );
    }
    this.#device = device;
    this.#shape = shape;
    this.#images = unscoped(() => device.tensor(split.images, [split.size, c, h, w]));
  }

  selected(indices: Tensor): BatchImages {
    return { images: this.#images, rows: indices };
  }

  async select({ indices, height, width }: Wanted): Promise<Int32Array> {
    const [, h, w] = this.#shape;
    if (height !== h || width !== w) {
      throw new ShapeError(
        `loader: images of ${height}x${width} pixels are wanted, but those of this data set lie on the device with ${h}x${w}; ` +
          'only streamed data sets can be read at other sizes',
        { op: 'loader' },
      );
    }
    return indices;
  }

  async pick({ indices }: Wanted): Promise<Picked> {
    return { indices, tensors: () => this.selected(this.#device.tensor(indices, [indices.length])) };
  }

  clock(epoch: number): number {
    return epoch;
  }

  [Symbol.dispose](): void {
    this.#images.dispose();
  }
}

/** A batch that is being read. */
interface Reading {
  readonly pixels: Uint8Array;
  readonly images: Promise<Int32Array>;
}

/**
 * One batch on the device, replaced at every step by images that the split reads, some batches ahead of their use. Choices made on the
 * device are keyed by place in the batch and number of the batch.
 */
class StreamedImages implements ImageStore {
  readonly #device: Device;
  readonly #split: StreamedSplit;
  readonly #channels: number;
  readonly #batchSize: number;
  readonly #batches: number;
  /** By key. */
  readonly #readings = new Map<string, Reading>();
  /** Memory of batches that were used, of the size in use. */
  #spare: Uint8Array[] = [];
  #images: Tensor;
  readonly #rows: Tensor;

  constructor(device: Device, split: StreamedSplit, [c, h, w]: ImageShape, batchSize: number) {
    this.#device = device;
    this.#split = split;
    this.#channels = c;
    this.#batchSize = batchSize;
    this.#batches = Math.floor(split.size / batchSize);
    [this.#images, this.#rows] = unscoped(() => [
      device.zeros([batchSize, c, h, w], { dtype: 'u8' }),
      device.tensor(inOrder(batchSize), [batchSize]),
    ]);
  }

  selected(): BatchImages {
    return { images: this.#images, rows: this.#rows };
  }

  async select(batch: Wanted, next: () => readonly Wanted[]): Promise<Int32Array> {
    const { pixels, images } = this.#take(batch);
    for (const wanted of next()) {
      if (!this.#readings.has(wanted.key)) this.#readings.set(wanted.key, this.#read(wanted));
    }
    const found = await images;
    this.#resize(batch);
    this.#images.write(pixels);
    this.#spare.push(pixels);
    return found;
  }

  async pick(batch: Wanted): Promise<Picked> {
    const { indices, height, width } = batch;
    const { pixels, images } = this.#read(batch);
    const found = await images;
    const tensors = (): BatchImages => ({
      images: this.#device.tensor(pixels, [indices.length, this.#channels, height, width]),
      rows: this.#device.tensor(inOrder(indices.length), [indices.length]),
    });
    return { indices: found, tensors };
  }

  clock(epoch: number, batch: number): number {
    return epoch * this.#batches + batch;
  }

  [Symbol.dispose](): void {
    this.#readings.clear();
    this.#images.dispose();
    this.#rows.dispose();
  }

  /** The batch as it was begun ahead; begun now, and all others forgotten, where something else was expected. */
  #take(batch: Wanted): Reading {
    const reading = this.#readings.get(batch.key);
    this.#readings.delete(batch.key);
    if (reading !== undefined) return reading;
    this.#readings.clear();
    return this.#read(batch);
  }

  #read({ indices, height, width, augment }: Wanted): Reading {
    const bytes = indices.length * this.#channels * height * width;
    const pixels = this.#memory(bytes);
    const images = this.#split
      .read({ indices, height, width, into: pixels, ...(augment === undefined ? {} : { augment }) })
      .then((found) => checkIndices(found, this.#split.size));
    images.catch(() => undefined); // awaited when the batch is used
    return { pixels, images };
  }

  #memory(bytes: number): Uint8Array {
    this.#spare = this.#spare.filter(({ length }) => length === bytes);
    return this.#spare.pop() ?? new Uint8Array(bytes);
  }

  /** The images on the device get the size of a batch. */
  #resize({ height, width }: Wanted): void {
    const [, , h, w] = this.#images.shape;
    if (h === height && w === width) return;
    this.#images.dispose();
    const shape = [this.#batchSize, this.#channels, height, width];
    this.#images = unscoped(() => this.#device.zeros(shape, { dtype: 'u8' }));
  }
}

function checkIndices(indices: Int32Array, size: number): Int32Array {
  const wrong = indices.find((index) => index < 0 || index >= size);
  if (wrong === undefined) return indices;
  throw new DataError(`loader: a split read image ${wrong}, but it has ${size}`, { op: 'loader' });
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
