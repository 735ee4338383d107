import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArgumentError, DataError, type ImageDataset, ioError, streamKey, writeFileAtomically } from '@s2sam/core';
import { type CorruptionName, checkCorruptions, checkSeverities, type Severity, severities } from '../names.js';
import { type CifarName, type GeneratedNote, NOTE, readNote } from '../note.js';
import { npyHeader } from '../npy.js';
import { SIDE, SIZE, toRows } from '../planes.js';
import { defocusBlur, gaussianBlur } from './blur.js';
import { brightness, contrast, saturate } from './colour.js';
import { Draws } from './draws.js';
import { jpegCompressed } from './jpeg.js';
import { gaussianNoise, impulseNoise, shotNoise, speckleNoise } from './noise.js';
import { pixelate } from './pixelate.js';
import type { Corrupt } from './pixels.js';

const OP = 'generateCifarC';
/** To be raised when any program changes its results. */
const VERSION = 1;

const programs: Partial<Record<CorruptionName, Corrupt>> = {
  gaussian_noise: gaussianNoise,
  shot_noise: shotNoise,
  impulse_noise: impulseNoise,
  defocus_blur: defocusBlur,
  brightness,
  contrast,
  pixelate,
  speckle_noise: speckleNoise,
  gaussian_blur: gaussianBlur,
  saturate,
};

/**
 * What can be made from clean images alone. The others take pictures of their own (frost), ImageMagick (snow, motion_blur), or random
 * fields and loops whose details are those of a program (fog, glass_blur, elastic_transform, zoom_blur, spatter).
 */
export const generatedCorruptions: readonly CorruptionName[] = [
  ...(Object.keys(programs) as CorruptionName[]),
  'jpeg_compression',
];

export interface GenerateProgress {
  readonly corruption: CorruptionName;
  readonly done: number;
  readonly total: number;
}

export interface GenerateOptions {
  /** Of the noise. Default 0. */
  readonly seed?: number;
  /** Default: all that can be made. */
  readonly only?: readonly string[] | undefined;
  /** Default: 1 to 5. */
  readonly severities?: readonly number[] | undefined;
  /** The first so many test images of each severity. Default: all. */
  readonly images?: number | undefined;
  readonly onProgress?: (progress: GenerateProgress) => void;
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Corrupts the test images of CIFAR-10 or CIFAR-100 with the constants of CIFAR-C (Hendrycks and Dietterich, ICLR 2019; `make_cifar_c.py`
 * of their repository) and writes files like the released ones, with `generated.json` beside them: noise is drawn by other numbers, so
 * results are named as generated and compare with none that were published. The same data, seed and choices give the same bytes; files
 * that are there already from the same choices are kept.
 *
 * Throws ArgumentError for a corruption that cannot be made; DataError for a folder that holds other files; IoError;
 * DeviceUnavailableError for `jpeg_compression` without libjpeg-turbo.
 */
export async function generateCifarC(folder: string, data: ImageDataset, options: GenerateOptions = {}): Promise<void> {
  const { seed = 0, onProgress, signal } = options;
  const names = namesOf(options.only);
  const chosen = checkSeverities(OP, options.severities ?? severities);
  const images = countOf(data, options.images);
  const source = sourceOf(data);
  const note: GeneratedNote = {
    generated: true,
    dataset: `${source}-c-generated`,
    source,
    version: VERSION,
    seed,
    severities: chosen,
    images,
  };
  await claim(folder, note);
  const clean = toRows(data.test.images.subarray(0, images * SIZE));
  await writeNpy(
    join(folder, 'labels.npy'),
    [chosen.length * images],
    repeated(data.test.labels.slice(0, images), chosen.length),
  );
  for (const [done, corruption] of names.entries()) {
    onProgress?.({ corruption, done, total: names.length });
    const path = join(folder, `${corruption}.npy`);
    if (existsSync(path)) continue;
    const blocks: Uint8Array[] = [];
    for (const severity of chosen) {
      signal?.throwIfAborted();
      blocks.push(await corrupted(clean, corruption, severity, seed));
    }
    await writeNpy(path, [chosen.length * images, SIDE, SIDE, 3], Buffer.concat(blocks));
  }
}

/** Images u8 [N][32][32][3], corrupted. */
export async function corrupted(
  images: Uint8Array,
  corruption: CorruptionName,
  severity: Severity,
  seed: number,
): Promise<Uint8Array> {
  const program = programs[corruption];
  if (program === undefined) return await jpegCompressed(images, severity);
  const key = streamKey(seed, `corrupt/${corruption}/${severity}`);
  const result = new Uint8Array(images.length);
  for (let i = 0; i < images.length / SIZE; i++) {
    result.set(program(images.subarray(i * SIZE, (i + 1) * SIZE), severity, new Draws(key, i)), i * SIZE);
    // Others get their turn: interrupts, and whatever else the process does.
    if (i % 256 === 255) await new Promise((resolve) => setImmediate(resolve));
  }
  return result;
}

function namesOf(only: readonly string[] | undefined): CorruptionName[] {
  const names = only === undefined ? [...generatedCorruptions] : checkCorruptions(OP, only);
  const impossible = names.find((name) => !generatedCorruptions.includes(name));
  if (impossible === undefined) return names;
  throw new ArgumentError(
    `${OP}: ${impossible} cannot be made from clean images alone; take the released files, or some of ${generatedCorruptions.join(', ')}`,
    { op: OP },
  );
}

function sourceOf({ name, imageShape }: ImageDataset): CifarName {
  if ((name === 'cifar10' || name === 'cifar100') && imageShape.join() === `3,${SIDE},${SIDE}`) return name;
  throw new ArgumentError(`${OP}: ${name} is neither cifar10 nor cifar100; the constants are those of their images`, {
    op: OP,
  });
}

function countOf({ test }: ImageDataset, images = test.size): number {
  if (Number.isInteger(images) && images >= 1 && images <= test.size) return images;
  throw new ArgumentError(`${OP}: images is ${images}; there are ${test.size} test images`, { op: OP });
}

/** Makes the folder one of these choices, unless it holds anything else: nothing is overwritten. */
async function claim(folder: string, note: GeneratedNote): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw ioError(OP, folder, cause);
  });
  const path = join(folder, NOTE);
  const text = `${JSON.stringify(note, undefined, 2)}\n`;
  if (readNote(folder) !== undefined) {
    if ((await readFile(path, 'utf8')) === text) return;
    throw new DataError(`${OP}: ${folder} holds images of other choices, see ${path}; name another folder`, { op: OP });
  }
  if (readdirSync(folder).length > 0) {
    throw new DataError(`${OP}: ${folder} is not empty; name a new folder, so that no files are mixed up`, { op: OP });
  }
  await writeFileAtomically(path, async (file) => {
    await file.writeFile(text);
  });
}

const repeated = (labels: ArrayLike<number>, times: number): Uint8Array =>
  Uint8Array.from({ length: times * labels.length }, (_, i) => labels[i % labels.length] as number);

async function writeNpy(path: string, shape: readonly number[], bytes: Uint8Array): Promise<void> {
  await writeFileAtomically(path, async (file) => {
    await file.writeFile(npyHeader(shape));
    await file.writeFile(bytes);
  });
}
