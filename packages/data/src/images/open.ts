import { existsSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { ArgumentError, DataError, type ImageDataset, type StreamedSplit } from '@s2sam/core';
import { DatasetUnavailableError } from '../errors.js';
import { Decoder } from './decoder.js';
import type { EncodedDataset } from './encoded.js';
import { looksLikeTree, openFolders, openTree, splitFolder } from './folder.js';
import { openParquet } from './parquet.js';
import { openShards } from './shards.js';
import { type CropRange, streamedSplit } from './split.js';
import { openStore, STORE_ENDING } from './store.js';

export interface ImagesOptions {
  /** A folder with `train` and `val`, with tar shards or parquet files, one tree of class folders, or a packed store. */
  readonly root: string;
  /** For logs and checkpoints. Default: the name of the folder. */
  readonly name?: string;
  /** Height and width, in pixels. Default 224. */
  readonly imageSize?: number;
  /** Shorter side in evaluation before the middle is cut out; 0: as images are. Default: 8/7 of the image size (256 for 224). */
  readonly resize?: number;
  /** Random crops of training. Default: area 0.08 to 1, ratio 3/4 to 4/3, as in torchvision. */
  readonly crop?: Partial<CropRange>;
  /** Mirror half of the training images. Default true. */
  readonly flip?: boolean;
  /** Threads that decode. Default: one per core, at most 16. The images do not depend on it. */
  readonly workers?: number;
  /** What becomes of an image that cannot be read: the training ends, or the next one in the data set takes its place. Default `error`. */
  readonly broken?: 'error' | 'skip';
  /** Told once of each image that is left out, with its name and what is wrong with it. */
  readonly onBroken?: (name: string, reason: string) => void;
}

/** A data set whose images are read while it is trained on. Dispose it to end its threads. */
export interface ImagesDataset extends ImageDataset<StreamedSplit>, Disposable {
  /** Names of the classes, by label. */
  readonly classNames: readonly string[];
}

/** Statistics of ImageNet's training images, of pixel / 255, with which all published networks are trained. */
export const imagesNormalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

const hasFiles = (root: string, ending: string): boolean =>
  readdirSync(root, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith(ending));

/**
 * Finds out what is at a path and reads its index, not its images. Throws DatasetUnavailableError where there is nothing, DataError for
 * what is none of the known forms, or damaged.
 */
export async function openEncoded(root: string): Promise<EncodedDataset> {
  const path = resolve(root);
  if (!existsSync(path)) {
    throw new DatasetUnavailableError(
      `images: there is no ${path}; give the folder or the packed store of the images`,
      {
        op: 'images',
      },
    );
  }
  if (statSync(path).isFile()) return openStore(path);
  const [train, test] = [splitFolder(path, 'train'), splitFolder(path, 'test')];
  if (train !== undefined && test !== undefined && looksLikeTree(train)) return openFolders(path, train, test);
  const [store] = readdirSync(path).filter((name) => name.endsWith(STORE_ENDING));
  if (store !== undefined) return openStore(join(path, store));
  if (looksLikeTree(path) && train === undefined) return openTree(path);
  if (hasFiles(path, '.tar')) return openShards(path);
  if (hasFiles(path, '.parquet')) return await openParquet(path);
  throw new DataError(
    `images: ${path} is no data set: it has neither train and val folders with a folder for every class, nor class folders of its ` +
      `own, .tar shards, .parquet files or a ${STORE_ENDING} store`,
    { op: 'images' },
  );
}

/**
 * Images in files: a tree of class folders, WebDataset shards, parquet files as published, or a packed store. Training sees random
 * resized crops and flips, evaluation the middle of the resized image, as torchvision makes them; crops are keyed by (seed, epoch,
 * image). Throws what `openEncoded` throws, ArgumentError, and DeviceUnavailableError where images cannot be decoded.
 */
export async function openImages(options: ImagesOptions): Promise<ImagesDataset> {
  const { imageSize = 224, flip = true, broken = 'error', onBroken = () => undefined } = options;
  const { workers = Math.min(16, availableParallelism()), resize = Math.round((imageSize * 8) / 7) } = options;
  const crop: CropRange = { area: [0.08, 1], ratio: [3 / 4, 4 / 3], ...options.crop };
  checkNumbers({ imageSize, workers });
  checkResize(resize, imageSize);
  checkCrop(crop);
  const { name, classes, train, test } = await openEncoded(options.root);
  const decoder = new Decoder(workers);
  // At other sizes than the usual one, evaluation resizes in proportion.
  const resizeFor = (size: number): number => Math.round((resize * size) / imageSize);
  const settings = { crop, flip, resizeFor, broken, onBroken };
  return {
    name: options.name ?? name,
    synthetic: false,
    classes: classes.length,
    classNames: classes,
    imageShape: [3, imageSize, imageSize],
    ...imagesNormalization,
    augmentation: { pad: 0, flip: false },
    train: streamedSplit(train, decoder, settings),
    test: streamedSplit(test, decoder, settings),
    [Symbol.dispose]: () => decoder[Symbol.dispose](),
  };
}

const wrong = (what: string): ArgumentError => new ArgumentError(`images: ${what}`, { op: 'images' });

function checkNumbers(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isInteger(value) || value < 1) throw wrong(`${name} is ${value}; it must be a whole number >= 1`);
  }
}

function checkResize(resize: number, imageSize: number): void {
  if (Number.isInteger(resize) && (resize === 0 || resize >= imageSize)) return;
  throw wrong(`resize is ${resize}; it must be 0 or a whole number >= the image size ${imageSize}`);
}

function checkCrop({ area, ratio }: CropRange): void {
  const rising = ([least, most]: readonly [number, number]): boolean => least > 0 && least <= most;
  if (rising(area) && area[1] <= 1 && rising(ratio) && Number.isFinite(ratio[1])) return;
  throw wrong(
    `crop has area ${area.join(' to ')} and ratio ${ratio.join(' to ')}; both must rise from above 0, area to 1 at most`,
  );
}
