import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, type Split } from '@s2sam/core';
import { describe, expect, it, vi } from 'vitest';
import { openCifar } from '../src/cifar.js';
import { cifar10, cifar100, DatasetUnavailableError } from '../src/index.js';
import { isolated, makeFiles, pixel, rejection, tiny10, tiny100, writeFiles } from './helpers.js';

const place = isolated();

describe('layout', () => {
  const imageOf = ({ images }: Split, index: number) => images.subarray(index * 3072, (index + 1) * 3072);
  const imageIn = (file: number, record: number) =>
    Uint8Array.from({ length: 3072 }, (_, position) => pixel(file, record, position));

  it('of CIFAR-10: five training files in order, a label byte before each image', async () => {
    await writeFiles(place.folder, makeFiles(tiny10));
    const data = await openCifar(tiny10, { root: place.folder });
    expect(data).toMatchObject({ name: 'cifar10', synthetic: false, classes: 10, imageShape: [3, 32, 32] });
    expect([data.train.size, data.test.size]).toEqual([20, 3]);
    expect([...data.train.labels]).toEqual([0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6, 4, 5, 6, 7]);
    expect([...data.test.labels]).toEqual([5, 6, 7]);
    for (const index of [0, 3, 4, 19]) {
      expect(imageOf(data.train, index)).toEqual(imageIn(Math.floor(index / 4), index % 4));
    }
    expect(imageOf(data.test, 2)).toEqual(imageIn(5, 2));
  });

  it('of CIFAR-100: coarse and fine label bytes, of which the fine one counts', async () => {
    const files = makeFiles(tiny100);
    files.get('train.bin')?.set([19, 99], 3074);
    await writeFiles(place.folder, files);
    const data = await openCifar(tiny100, { root: place.folder });
    expect(data).toMatchObject({ name: 'cifar100', classes: 100 });
    expect([...data.train.labels]).toEqual([0, 99, 2, 3]);
    expect(imageOf(data.train, 1)).toEqual(imageIn(0, 1));
    expect([...data.test.labels]).toEqual([1, 2, 3]);
  });
});

describe('search', () => {
  it.each([
    ['the root itself', () => ({ root: place.folder, at: place.folder })],
    [
      'the folder of the archive in the root',
      () => ({ root: place.folder, at: join(place.folder, 'cifar-10-batches-bin') }),
    ],
    ['the cache folder', () => ({ root: join(place.folder, 'none'), at: join(place.cache, 'cifar-10-batches-bin') })],
  ])('finds %s', async (_, where) => {
    const { root, at } = where();
    await writeFiles(at, makeFiles(tiny10));
    expect((await openCifar(tiny10, { root, download: false })).train.size).toBe(20);
  });

  it.each(['', 'cifar-10-batches-bin'])('finds the folder of S2SAM_DATA (%s)', async (below) => {
    const data = join(place.folder, 'data');
    vi.stubEnv('S2SAM_DATA', data);
    await writeFiles(join(data, below), makeFiles(tiny10));
    expect((await openCifar(tiny10, { download: false })).train.size).toBe(20);
  });

  it('prefers the root to S2SAM_DATA and that to the cache', async () => {
    const set = (first: number) =>
      new Map([...makeFiles(tiny10)].map(([name, bytes]) => [name, bytes.fill(first, 0, 1)]));
    vi.stubEnv('S2SAM_DATA', join(place.folder, 'env'));
    await writeFiles(place.cache, set(3));
    const firstLabel = async () => (await openCifar(tiny10, { root: join(place.folder, 'root') })).train.labels[0];
    expect(await firstLabel()).toBe(3);
    await writeFiles(join(place.folder, 'env'), set(2));
    expect(await firstLabel()).toBe(2);
    await writeFiles(join(place.folder, 'root'), set(1));
    expect(await firstLabel()).toBe(1);
  });

  it.each([
    ['cifar10', cifar10, 'cifar-10-batches-bin'],
    ['cifar100', cifar100, 'cifar-100-binary'],
  ])('says where it looked for %s and what to do', async (name, open, folder) => {
    const root = join(place.folder, 'root');
    const error = await rejection(open({ root, download: false }));
    expect(error).toBeInstanceOf(DatasetUnavailableError);
    expect(error).toBeInstanceOf(DataError);
    for (const text of [name, join(root, folder), join(place.cache, folder), 'download: true', 'S2SAM_DATA']) {
      expect(error.message).toContain(text);
    }
  });
});

describe('damage', () => {
  const failure = async (spec: typeof tiny10, damage: (path: (name: string) => string) => Promise<void>) => {
    await writeFiles(place.folder, makeFiles(spec));
    await damage((name) => join(place.folder, name));
    const error = await rejection(openCifar(spec, { root: place.folder }));
    expect(error).toBeInstanceOf(DataError);
    expect(error).not.toBeInstanceOf(DatasetUnavailableError);
    expect(error.message).toMatch(/; delete .* and let it be downloaded again, or put a sound copy there$/);
    return error.message;
  };

  it.each([1, 2, 3, 4, 5])('names the missing training file %d', async (batch) => {
    const name = `data_batch_${batch}.bin`;
    expect(await failure(tiny10, (path) => rm(path(name)))).toContain(`${join(place.folder, name)} is missing`);
  });

  it('names the missing test file', async () => {
    expect(await failure(tiny100, (path) => rm(path('test.bin')))).toContain('test.bin is missing');
  });

  it.each([
    [0, 'record 0, which begins at byte 0,'],
    [3073, 'record 1, which begins at byte 3073,'],
    [9218, 'record 2, which begins at byte 6146,'],
    [4 * 3073 - 1, 'record 3, which begins at byte 9219,'],
  ])('notices a file cut to %d bytes', async (size, where) => {
    const message = await failure(tiny10, (path) => truncate(path('data_batch_3.bin'), size));
    expect(message).toContain(
      `data_batch_3.bin is truncated: ${size} bytes instead of 12292 (4 records of 3073); ${where}`,
    );
  });

  it('notices a file that is too long', async () => {
    const message = await failure(tiny100, (path) => truncate(path('train.bin'), 4 * 3074 + 2));
    expect(message).toContain(
      'train.bin is too long: 12298 bytes instead of 12296 (4 records of 3074); the bytes from 12296 on',
    );
  });

  it.each([
    [
      'label',
      tiny10,
      'data_batch_2.bin',
      2 * 3073,
      10,
      'the label of record 2 (byte 6146) is 10, it must be from 0 to 9',
    ],
    ['label', tiny10, 'test_batch.bin', 0, 255, 'the label of record 0 (byte 0) is 255, it must be from 0 to 9'],
    [
      'coarse label',
      tiny100,
      'train.bin',
      3074,
      20,
      'the coarse label of record 1 (byte 3074) is 20, it must be from 0 to 19',
    ],
    [
      'fine label',
      tiny100,
      'train.bin',
      3075,
      100,
      'the fine label of record 1 (byte 3075) is 100, it must be from 0 to 99',
    ],
  ])('notices a %s out of range', async (_, spec, file, offset, value, where) => {
    const bytes = makeFiles(spec).get(file) as Buffer;
    bytes[offset] = value;
    expect(await failure(spec, (path) => writeFile(path(file), bytes))).toContain(
      `${join(place.folder, file)}: ${where}`,
    );
  });

  it('passes on why a file cannot be read', async () => {
    const message = await failure(tiny10, async (path) => {
      await rm(path('data_batch_1.bin'));
      await mkdir(path('data_batch_1.bin'));
    });
    expect(message).toMatch(/cannot read .*data_batch_1\.bin: EISDIR/);
  });
});

it('stops reading when aborted', async () => {
  await writeFiles(place.folder, makeFiles(tiny10));
  const reason = new Error('enough');
  const error = await rejection(openCifar(tiny10, { root: place.folder, signal: AbortSignal.abort(reason) }));
  expect(error).toBe(reason);
});
