/** One part of a data set, in memory. */
export interface Split {
  /** Number of images. */
  readonly size: number;
  /** [size, C, H, W], row-major. */
  readonly images: Uint8Array;
  /** [size], each in [0, classes). */
  readonly labels: Uint8Array | Int32Array;
}

/** What training needs to know of a data set; `@s2sam/data` makes such values, and so may anybody. */
export interface ImageDataset {
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
  readonly train: Split;
  readonly test: Split;
}
