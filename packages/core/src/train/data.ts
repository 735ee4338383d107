/** One part of a data set, in memory; the loader copies it to the device once. */
export interface Split {
  /** Number of images. */
  readonly size: number;
  /** [size, C, H, W], row-major. */
  readonly images: Uint8Array;
  /** [size], each in [0, classes). */
  readonly labels: Uint8Array | Int32Array;
}

/** One part of a data set that is too large for the device: its images are read batch by batch. */
export interface StreamedSplit extends Omit<Split, 'images'> {
  /**
   * Writes the images of these indices, [indices.length, C, H, W] row-major, to `into`. Called once per step, on the main thread, while
   * the device computes the step before: copy from memory or a mapped file here, and decode elsewhere.
   */
  read(indices: Int32Array, into: Uint8Array): void;
}

export type AnySplit = Split | StreamedSplit;

/** What training needs to know of a data set; `@s2sam/data` makes such values, and so may anybody. */
export interface ImageDataset<S extends AnySplit = Split> {
  /** For logs and checkpoints, e.g. `cifar10`. */
  readonly name: string;
  /** True for made-up images; every output says so. */
  readonly synthetic: boolean;
  readonly classes: number;
  readonly imageShape: readonly [channels: number, height: number, width: number];
  /** Per channel, of pixel / 255. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Training augmentation: random crop from the image padded by `pad` black pixels, random horizontal flip. */
  readonly augmentation: { readonly pad: number; readonly flip: boolean };
  readonly train: S;
  readonly test: S;
}
