/** One part of a data set, in memory; the loader copies it to the device once. */
export interface Split {
  /** Number of images. */
  readonly size: number;
  /** [size, C, H, W], row-major. */
  readonly images: Uint8Array;
  /** [size], each in [0, classes). */
  readonly labels: Uint8Array | Int32Array;
}

/** Images that a streamed split is asked for. */
export interface ReadRequest {
  readonly indices: Int32Array;
  readonly height: number;
  readonly width: number;
  /** Where they go: [indices.length, C, height, width], row-major. */
  readonly into: Uint8Array;
  /** Cut out and flip at random, keyed by (seed, epoch, image). Default: as for evaluation. */
  readonly augment?: { readonly seed: number; readonly epoch: number };
}

/** One part of a data set that is too large for the device: its images are read, and cut to size, batch by batch. */
export interface StreamedSplit extends Omit<Split, 'images'> {
  /**
   * Reads images, of any size that is asked for. Resolves with the image that is at each place: that of `indices`, or another where
   * one cannot be read and may be replaced. Called some batches ahead; must not block the main thread for long.
   */
  read(request: ReadRequest): Promise<Int32Array>;
}

export type AnySplit = Split | StreamedSplit;

/** What training needs to know of a data set; `@s2sam/data` makes such values, and so may anybody. */
export interface ImageDataset<S extends AnySplit = Split> {
  /** For logs and checkpoints, e.g. `cifar10`. */
  readonly name: string;
  /** True for made-up images; every output says so. */
  readonly synthetic: boolean;
  readonly classes: number;
  /** Of streamed splits, the usual size: they can be read at others. */
  readonly imageShape: readonly [channels: number, height: number, width: number];
  /** Per channel, of pixel / 255. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Training augmentation on the device: random crop from the image padded by `pad` black pixels, random horizontal flip. */
  readonly augmentation: { readonly pad: number; readonly flip: boolean };
  readonly train: S;
  readonly test: S;
}
