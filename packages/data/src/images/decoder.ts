import { open } from 'node:fs/promises';
import { DataError } from '@s2sam/core';
import { type ImageBytes, type ImageFailure, type ImagePool, openImagePool, type PackedImage } from '@s2sam/native';
import type { ImagePlace } from './encoded.js';

/** How a batch is to be decoded; see `ReadImages` of the native package. */
export type ReadOptions = Omit<Parameters<ImagePool['read']>[0], 'sources'>;

/** An image that could not be read; `message` is to follow its name. */
export type Broken = Pick<ImageFailure, 'index' | 'message'>;

type Pixels = { readonly bytes: Uint8Array; readonly width: number; readonly height: number };

/**
 * Decodes images with some threads: JPEG by libjpeg-turbo in the addon, other formats by sharp, which is an optional dependency. 16-bit
 * images are reduced to 8 bits, transparency is dropped, greyscale and CMYK become RGB; the orientation that Exif names is not applied.
 */
export class Decoder implements Disposable {
  readonly #pool: ImagePool;
  readonly #files = new Map<string, number>();

  /** Throws DeviceUnavailableError where the addon was built without libjpeg-turbo. */
  constructor(threads: number) {
    this.#pool = openImagePool(threads);
  }

  /** Fills `options.into`; resolves with the images that are broken, whose part of it is undefined. */
  async read(places: readonly ImagePlace[], options: ReadOptions): Promise<readonly Broken[]> {
    const sources = places.map((place) => this.#source(place));
    const failures = await this.#pool.read({ ...options, sources });
    const rest = await Promise.all(
      failures.map((failure) => (failure.foreign ? this.#readForeign(places, failure.index, options) : failure)),
    );
    return rest.filter((broken) => broken !== undefined);
  }

  /** Images made small; see `PackImages` of the native package. */
  async pack(
    places: readonly ImagePlace[],
    resolution: number,
    quality: number,
  ): Promise<readonly (PackedImage | Broken)[]> {
    const sources = places.map((place) => this.#source(place));
    const packed = await this.#pool.pack({ sources, resolution, quality });
    return await Promise.all(
      packed.map((image) =>
        'foreign' in image && image.foreign ? this.#packForeign(places, image.index, resolution, quality) : image,
      ),
    );
  }

  [Symbol.dispose](): void {
    this.#pool.close();
  }

  #source(place: ImagePlace): ImageBytes {
    if (!('container' in place)) return place;
    const { container, ...rest } = place;
    return { file: this.#map(container), ...rest };
  }

  #map(path: string): number {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    try {
      const file = this.#pool.map(path);
      this.#files.set(path, file);
      return file;
    } catch (cause) {
      throw new DataError(`images: ${path} ${(cause as Error).message}`, { op: 'images', cause });
    }
  }

  async #readForeign(places: readonly ImagePlace[], index: number, options: ReadOptions): Promise<Broken | undefined> {
    const pixels = await foreignPixels(places[index] as ImagePlace, index);
    if ('message' in pixels) return pixels;
    const each = 3 * options.width * options.height;
    const into = options.into.subarray(index * each, (index + 1) * each);
    const indices = options.indices.subarray(index, index + 1);
    const [broken] = await this.#pool.read({ ...options, sources: [pixels], indices, into });
    return broken === undefined ? undefined : { ...broken, index };
  }

  async #packForeign(
    places: readonly ImagePlace[],
    index: number,
    resolution: number,
    quality: number,
  ): Promise<PackedImage | Broken> {
    const pixels = await foreignPixels(places[index] as ImagePlace, index);
    if ('message' in pixels) return pixels;
    const [packed] = await this.#pool.pack({ sources: [pixels], resolution, quality });
    return packed as PackedImage | Broken;
  }
}

type Sharp = typeof import('sharp').default;

let sharpLoading: Promise<Sharp | undefined> | undefined;

/** Undefined where it is not installed. */
function loadSharp(): Promise<Sharp | undefined> {
  sharpLoading ??= import('sharp').then(({ default: sharp }) => sharp).catch(() => undefined);
  return sharpLoading;
}

/** The bytes of an image's file. */
async function fileOf(place: ImagePlace): Promise<Uint8Array | string> {
  if ('bytes' in place) return place.bytes;
  if ('path' in place) return place.path;
  await using file = await open(place.container, 'r');
  const { buffer } = await file.read(Buffer.alloc(place.length), 0, place.length, place.offset);
  return buffer;
}

/** An image of another format than JPEG, decoded as a whole. */
async function foreignPixels(place: ImagePlace, index: number): Promise<Pixels | Broken> {
  const sharp = await loadSharp();
  if (sharp === undefined) {
    return { index, message: 'is no JPEG, and other formats need the package sharp, which is not installed: add it' };
  }
  try {
    const image = sharp(await fileOf(place), { failOn: 'truncated', animated: false });
    const pixels = image.toColourspace('srgb').removeAlpha().raw({ depth: 'uchar' });
    const { data, info } = await pixels.toBuffer({ resolveWithObject: true });
    return { bytes: withThreeChannels(data, info.channels), width: info.width, height: info.height };
  } catch (cause) {
    return { index, message: `is neither a JPEG nor an image that sharp can read: ${(cause as Error).message}` };
  }
}

function withThreeChannels(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const count = data.length / channels;
  const pixels = new Uint8Array(3 * count);
  for (let i = 0; i < count; i++) pixels.fill(data[i * channels] as number, 3 * i, 3 * i + 3);
  return pixels;
}
