import { candidates, dlopen, explain, platformPackage, version } from './binary.js';
import { checkElf } from './elf.js';
import { DeviceUnavailableError } from './errors.js';

/** Where the bytes of an image are: a file, a stretch of a mapped one, or memory; with a size they are [height][width][3] pixels. */
export type ImageBytes = (
  | { readonly path: string }
  | { readonly file: number; readonly offset: number; readonly length: number }
  | { readonly bytes: Uint8Array }
) & { readonly width?: number; readonly height?: number };

/** Random resized crop: bounds of area (of the image's) and of width over height, and what choices are keyed by. */
export interface RandomCropSettings {
  readonly leastArea: number;
  readonly mostArea: number;
  readonly leastRatio: number;
  readonly mostRatio: number;
  readonly flip: boolean;
  readonly key0: number;
  readonly key1: number;
  readonly epoch: number;
}

export interface ReadImages {
  readonly sources: readonly ImageBytes[];
  /** What random choices of each image are keyed by. */
  readonly indices: Int32Array;
  readonly width: number;
  readonly height: number;
  /** Without `random`: length of the shorter side before the middle is cut out; 0: as it is. */
  readonly resize: number;
  readonly random?: RandomCropSettings;
  /** [N, 3, height, width] */
  readonly into: Uint8Array;
}

export interface PackImages {
  readonly sources: readonly ImageBytes[];
  /** Most pixels of the shorter side. */
  readonly resolution: number;
  /** Of JPEG, 1 to 100; 0: [height][width][3] pixels. */
  readonly quality: number;
}

/** An image that could not be read. `foreign`: it is whole as far as is known, but no JPEG. `message` is to follow a name. */
export interface ImageFailure {
  readonly index: number;
  readonly foreign: boolean;
  readonly message: string;
}

export interface PackedImage {
  readonly width: number;
  readonly height: number;
  readonly bytes: Uint8Array;
}

/** Threads that decode, crop and resample images. */
export interface ImagePool {
  /** Maps a file; the number stands for it in `ImageBytes`. Throws an Error with the reason. */
  map(path: string): number;
  /** Fills `into`, which must be left alone until then; images that failed are left out. */
  read(request: ReadImages): Promise<readonly ImageFailure[]>;
  /** Every image, or why not. */
  pack(request: PackImages): Promise<readonly (PackedImage | ImageFailure)[]>;
  /** Ends the threads; rejects what is not done. */
  close(): void;
}

interface ImageBinding {
  readonly version: string;
  readonly ImagePool: new (threads: number) => ImagePool;
}

const images = {
  binary: 's2sam_images.node',
  variable: 'S2SAM_IMAGES_BINARY',
  platformPackage,
};

let loaded: ImageBinding | undefined;

function load(): ImageBinding {
  const failures: string[] = [];
  for (const { where, resolve } of candidates(images)) {
    try {
      const path = resolve();
      if (process.platform === 'linux') checkElf(path);
      const binding = dlopen(path) as unknown as Partial<ImageBinding>;
      if (binding.ImagePool === undefined) throw new Error('it is not an image decoder of s2sam');
      if (binding.version === version) return binding as ImageBinding;
      throw new Error(`it is of version ${binding.version}, but this package is ${version}`);
    } catch (error) {
      failures.push(`  - ${where}: ${explain(error)}`);
    }
  }
  throw new DeviceUnavailableError(
    `the image decoder cannot be loaded on ${process.platform}-${process.arch}, Node ${process.version}. Tried:\n` +
      `${failures.join('\n')}\nWhat helps: install libjpeg-turbo (Debian and Ubuntu: apt-get install libjpeg-dev) and run ` +
      `\`npm run setup\` in the repository, or set ${images.variable} to the path of a binary.`,
    { op: 'load' },
  );
}

/**
 * Threads that decode images. The binary is loaded at the first call, and looked for like the CPU's, with S2SAM_IMAGES_BINARY.
 * @throws DeviceUnavailableError naming every place that was tried and why it did not serve.
 */
export function openImagePool(threads: number): ImagePool {
  loaded ??= load();
  return new loaded.ImagePool(threads);
}
