import { DataError, type ReadRequest, type StreamedSplit, streamKey } from '@s2sam/core';
import type { Decoder, ReadOptions } from './decoder.js';
import type { EncodedSplit, ImagePlace } from './encoded.js';

/** Bounds of a random crop: area over the image's, and width over height. */
export interface CropRange {
  readonly area: readonly [least: number, most: number];
  readonly ratio: readonly [least: number, most: number];
}

export interface SplitOptions {
  readonly crop: CropRange;
  readonly flip: boolean;
  /** Shorter side in evaluation for an image size; 0: as it is. */
  readonly resizeFor: (size: number) => number;
  /** What becomes of an image that cannot be read. */
  readonly broken: 'error' | 'skip';
  /** Told once of each. */
  readonly onBroken: (name: string, reason: string) => void;
}

/** Images in a row that cannot be read before it is given up to look for another. */
const MOST_BROKEN = 100;

/** Reads the images of a split as training and evaluation want them. */
export function streamedSplit(split: EncodedSplit, decoder: Decoder, options: SplitOptions): StreamedSplit {
  const told = new Set<number>();
  const tell = (index: number, message: string): void => {
    const name = split.nameOf(index);
    if (options.broken === 'error') {
      throw new DataError(
        `images: ${name} ${message}; remove or replace it, or let such images be left out (broken: skip)`,
        { op: 'images' },
      );
    }
    if (told.has(index)) return;
    told.add(index);
    options.onBroken(name, message);
  };

  const attempt = async (indices: Int32Array, request: ReadRequest, into: Uint8Array) => {
    const places = await placesOf(split, indices);
    return await decoder.read(places, { ...readOptions(request, options), indices, into });
  };

  const read = async (request: ReadRequest): Promise<Int32Array> => {
    const { indices, into, height, width } = request;
    const found = Int32Array.from(indices);
    const broken = await attempt(indices, request, into);
    const each = 3 * height * width;
    for (const { index: at, message } of broken) {
      tell(found[at] as number, message);
      await replace(at, found, request, into.subarray(at * each, (at + 1) * each));
    }
    return found;
  };

  /** Takes the next image of the data set that can be read. */
  const replace = async (at: number, found: Int32Array, request: ReadRequest, into: Uint8Array): Promise<void> => {
    for (let tries = 0; tries < MOST_BROKEN; tries++) {
      found[at] = ((found[at] as number) + 1) % split.size;
      const [broken] = await attempt(found.slice(at, at + 1), request, into);
      if (broken === undefined) return;
      tell(found[at] as number, broken.message);
    }
    throw new DataError(
      `images: ${MOST_BROKEN} images in a row cannot be read, the last of them ${split.nameOf(found[at] as number)}; ` +
        'check that the data set is whole',
      { op: 'images' },
    );
  };

  return { size: split.size, labels: split.labels, read };
}

function placesOf(split: EncodedSplit, indices: Int32Array): Promise<readonly ImagePlace[]> {
  return Promise.all(Array.from(indices, (index) => split.place(index)));
}

function readOptions(
  { height, width, augment }: ReadRequest,
  { crop, flip, resizeFor }: SplitOptions,
): Omit<ReadOptions, 'indices' | 'into'> {
  const size = { height, width, resize: resizeFor(Math.min(height, width)) };
  if (augment === undefined) return size;
  const [key0, key1] = streamKey(augment.seed, 'augment');
  const [[leastArea, mostArea], [leastRatio, mostRatio]] = [crop.area, crop.ratio];
  const { epoch } = augment;
  return { ...size, random: { leastArea, mostArea, leastRatio, mostRatio, flip, key0, key1, epoch } };
}
