/** Where the bytes of one image are. */
export type ImagePlace =
  | { readonly path: string }
  | {
      /** A file that holds many. */
      readonly container: string;
      readonly offset: number;
      readonly length: number;
      /** With both, the bytes are [height][width][3] pixels. */
      readonly width?: number;
      readonly height?: number;
    }
  | { readonly bytes: Uint8Array };

/** One part of a data set, as files have it. */
export interface EncodedSplit {
  readonly size: number;
  /** [size], each in [0, classes). */
  readonly labels: Int32Array;
  /** What messages call an image. */
  nameOf(index: number): string;
  place(index: number): ImagePlace | Promise<ImagePlace>;
}

/** A data set of images in any container. */
export interface EncodedDataset {
  /** What it is called where nobody gave it a name. */
  readonly name: string;
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
  readonly train: EncodedSplit;
  readonly test: EncodedSplit;
}

export const noImages: EncodedSplit = {
  size: 0,
  labels: new Int32Array(0),
  nameOf: () => '',
  place: () => ({ bytes: new Uint8Array(0) }),
};

/** Folder names of a split, as data sets have them. */
export const splitNames = { train: ['train', 'training'], test: ['val', 'validation', 'valid', 'test'] } as const;

/** Orders texts by their code units, as Python sorts file names. */
export const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
