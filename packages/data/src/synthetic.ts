import { ArgumentError, type ImageDataset, type Split, streamKey } from '@s2sam/core';

export interface SyntheticOptions {
  /** Default 1000. */
  readonly classes?: number;
  /** Height and width in pixels. Default 224. */
  readonly size?: number;
  /** Number of training images. Default 1024. */
  readonly train?: number;
  /** Number of test images. Default 256. */
  readonly test?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** Uniform noise from a xorshift generator: quick, and good enough to be seen by nobody. */
function noise(bytes: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = seed | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, bytes);
}

function split(name: string, images: number, options: Required<SyntheticOptions>): Split {
  const { size, classes, seed } = options;
  const [key] = streamKey(seed, `synthetic/${name}`);
  return {
    size: images,
    images: noise(images * 3 * size * size, key),
    labels: Int32Array.from({ length: images }, (_, index) => index % classes),
  };
}

/**
 * Images of pure noise at any size and class count, for measuring speed: there is nothing in them to be learnt (see `proceduralImages`
 * for images that are). The loader keeps them on the device. Throws ArgumentError.
 */
export function syntheticImages(options: SyntheticOptions = {}): ImageDataset {
  const settled = { classes: 1000, size: 224, train: 1024, test: 256, seed: 0, ...options };
  for (const name of ['classes', 'size', 'train', 'test'] as const) {
    if (!Number.isInteger(settled[name]) || settled[name] < 1) {
      throw new ArgumentError(`syntheticImages: ${name} is ${settled[name]}; it must be a whole number >= 1`, {
        op: 'syntheticImages',
      });
    }
  }
  const { classes, size, train, test } = settled;
  return {
    name: `synthetic${size}`,
    synthetic: true,
    classes,
    imageShape: [3, size, size],
    mean: [0.5, 0.5, 0.5],
    std: [0.25, 0.25, 0.25],
    augmentation: { pad: Math.round(size / 8), flip: true },
    train: split('train', train, settled),
    test: split('test', test, settled),
  };
}
