import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { type CifarSpec, cifar10Spec, cifar100Spec } from '../src/cifar.js';

/** The real formats with few records: files of 4 and 3. */
export const tiny10: CifarSpec = {
  ...cifar10Spec,
  train: { ...cifar10Spec.train, recordsPerFile: 4 },
  test: { ...cifar10Spec.test, recordsPerFile: 3 },
};
export const tiny100: CifarSpec = {
  ...cifar100Spec,
  train: { ...cifar100Spec.train, recordsPerFile: 4 },
  test: { ...cifar100Spec.test, recordsPerFile: 3 },
};

/** Byte `position` of the image of record `record` in file `file`. */
export const pixel = (file: number, record: number, position: number): number =>
  (file * 71 + record * 13 + position * 7) % 256;

/** Contents of the files of a set, by name; labels are (file + record) modulo their number of classes. */
export function makeFiles(spec: CifarSpec): Map<string, Buffer> {
  const recordsOf = new Map<string, number>();
  for (const { files, recordsPerFile } of [spec.train, spec.test])
    for (const name of files) recordsOf.set(name, recordsPerFile);
  return new Map(
    [...recordsOf].map(([name, records], file) => {
      const parts = Array.from({ length: records }, (_, record) => [
        Buffer.from(spec.labels.map(({ classes }) => (file + record) % classes)),
        Buffer.from(Array.from({ length: 3072 }, (__, position) => pixel(file, record, position))),
      ]);
      return [name, Buffer.concat(parts.flat())];
    }),
  );
}

export async function writeFiles(folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of files) await writeFile(join(folder, name), content);
}

/** An empty folder for each test, in which the environment of the data package points nowhere else. */
export function isolated(): { readonly folder: string; readonly cache: string } {
  const place = { folder: '', cache: '' };
  beforeEach(async () => {
    place.folder = await mkdtemp(join(tmpdir(), 's2sam-data-'));
    place.cache = join(place.folder, 'cache', 's2sam');
    vi.stubEnv('XDG_CACHE_HOME', join(place.folder, 'cache'));
    vi.stubEnv('S2SAM_DATA', '');
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(place.folder, { recursive: true, force: true });
  });
  return place;
}

export const rejection = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => expect.fail('it should have failed'),
    (error) => error as Error,
  );
