import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { env } from 'node:process';
import type { ImageDataset } from '@s2sam/core';
import { type Archive, type DownloadOptions, installArchive } from './download.js';
import { DatasetUnavailableError } from './errors.js';
import { type RecordFiles, type RecordLabel, readRecords } from './records.js';

export interface CifarOptions extends DownloadOptions {
  /** Folder with the binary files, or with the folder they come in. Looked at before `S2SAM_DATA` and the cache folder. */
  readonly root?: string;
  /** Download what is not found, into `root` or else the cache folder. Default true. */
  readonly download?: boolean;
}

/** All that sets one CIFAR apart from the other. */
export interface CifarSpec {
  readonly name: string;
  readonly classes: number;
  /** Label bytes of a record; the last one is the label of the data set. */
  readonly labels: readonly RecordLabel[];
  readonly train: RecordFiles;
  readonly test: RecordFiles;
  /** The folder its archive unpacks to. */
  readonly folder: string;
  readonly archive: Archive;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const home = 'https://www.cs.toronto.edu/~kriz';

export const cifar10Spec: CifarSpec = {
  name: 'cifar10',
  classes: 10,
  labels: [{ name: 'label', classes: 10 }],
  train: { files: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`), recordsPerFile: 10_000 },
  test: { files: ['test_batch.bin'], recordsPerFile: 10_000 },
  folder: 'cifar-10-batches-bin',
  archive: { url: `${home}/cifar-10-binary.tar.gz`, md5: 'c32a1d4ab5d03f1284b67883e8d87530' },
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.2023, 0.1994, 0.201],
};

export const cifar100Spec: CifarSpec = {
  name: 'cifar100',
  classes: 100,
  labels: [
    { name: 'coarse label', classes: 20 },
    { name: 'fine label', classes: 100 },
  ],
  train: { files: ['train.bin'], recordsPerFile: 50_000 },
  test: { files: ['test.bin'], recordsPerFile: 10_000 },
  folder: 'cifar-100-binary',
  archive: { url: `${home}/cifar-100-binary.tar.gz`, md5: '03b5dce01913d631647c71ecec9e9cb8' },
  mean: [0.5071, 0.4867, 0.4408],
  std: [0.2675, 0.2565, 0.2761],
};

/**
 * CIFAR-10 (Krizhevsky 2009) in its binary version: 50,000 training and 10,000 test images [3, 32, 32] of 10 classes.
 *
 * Looked for in `root`, then in the folder `S2SAM_DATA` names, then in `s2sam` under `$XDG_CACHE_HOME` (default `~/.cache`); in each
 * the files may lie directly or in `cifar-10-batches-bin`. Throws DatasetUnavailableError where it is not found and not to be had,
 * DataError for a damaged file, and the signal's reason when aborted.
 */
export const cifar10 = (options: CifarOptions = {}): Promise<ImageDataset> => openCifar(cifar10Spec, options);

/** CIFAR-100 with its 100 fine labels, else as `cifar10`; the folder is `cifar-100-binary`. */
export const cifar100 = (options: CifarOptions = {}): Promise<ImageDataset> => openCifar(cifar100Spec, options);

export async function openCifar(spec: CifarSpec, options: CifarOptions = {}): Promise<ImageDataset> {
  const { signal } = options;
  const folder = candidates(spec, options).find((place) => holds(spec, place)) ?? (await install(spec, options));
  const { name, classes, labels, mean, std } = spec;
  return {
    name,
    synthetic: false,
    classes,
    imageShape: [3, 32, 32],
    mean,
    std,
    augmentation: { pad: 4, flip: true },
    train: await readRecords({ dataset: name, folder, files: spec.train, labels, signal }),
    test: await readRecords({ dataset: name, folder, files: spec.test, labels, signal }),
  };
}

/** `s2sam` in the user's cache folder; by the XDG rules a relative `XDG_CACHE_HOME` does not count. */
function cacheFolder(): string {
  const configured = env.XDG_CACHE_HOME;
  return join(configured?.startsWith('/') ? configured : join(homedir(), '.cache'), 's2sam');
}

function candidates(spec: CifarSpec, { root }: CifarOptions): string[] {
  const roots = [root, env.S2SAM_DATA, cacheFolder()].filter((place): place is string => Boolean(place));
  return roots.flatMap((place) => [resolve(place), resolve(place, spec.folder)]);
}

const filesOf = ({ train, test }: CifarSpec): string[] => [...train.files, ...test.files];

/** One file is enough: a folder that lacks the others is a damaged copy, not a place without one. */
const holds = (spec: CifarSpec, folder: string): boolean =>
  filesOf(spec).some((file) => existsSync(join(folder, file)));

async function install(spec: CifarSpec, options: CifarOptions): Promise<string> {
  const target = resolve(options.root ?? cacheFolder(), spec.folder);
  const missing = `${spec.name} is in none of ${candidates(spec, options).join(', ')}`;
  const byHand = `unpack ${spec.archive.url} yourself and set S2SAM_DATA to the folder that holds ${spec.folder}`;
  const op = spec.name;
  if (options.download === false) {
    throw new DatasetUnavailableError(`${missing}; allow the download (download: true), or ${byHand}`, { op });
  }
  try {
    await installArchive(spec.archive, filesOf(spec), target, options);
  } catch (cause) {
    options.signal?.throwIfAborted();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DatasetUnavailableError(
      `${missing}, and its download failed: ${reason}; check the connection and try again, or ${byHand}`,
      { op, cause },
    );
  }
  return target;
}
