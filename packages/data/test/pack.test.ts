import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { readSafetensors } from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import { decodes } from '../../../test/support/imageTree.js';
import { openImages, type PackOptions, pack, verifyStore } from '../src/index.js';
import { isolated, rejection } from './helpers.js';

const place = isolated();
const { tensors } = await readSafetensors(fileURLToPath(new URL('golden/images.safetensors', import.meta.url)));
const file = (kind: string): Uint8Array => tensors.get(`${kind}/file`)?.data as Uint8Array;
const kinds = ['half_colours', 'full_colours', 'grey', 'cmyk', 'progressive', 'large', 'png', 'small'];

/** A data set of `copies` times all kinds in each of two classes, and a few images for testing. */
async function tree(copies: number, extra: ReadonlyMap<string, Uint8Array> = new Map()): Promise<string> {
  const root = join(place.folder, 'tree');
  for (const [split, count] of [
    ['train', copies],
    ['val', 1],
  ] as const) {
    for (const label of ['a', 'b']) {
      const folder = join(root, split, label);
      await mkdir(folder, { recursive: true });
      for (let copy = 0; copy < count; copy++) {
        for (const kind of kinds) await writeFile(join(folder, `${kind}${copy}.jpg`), file(kind));
      }
    }
  }
  for (const [name, content] of extra) await writeFile(join(root, name), content);
  return root;
}

const target = (name = 'store.s2pack'): string => join(place.folder, name);

async function pixelsOf(root: string): Promise<Uint8Array[]> {
  using data = await openImages({ root, imageSize: 32, resize: 40, workers: 2 });
  const all: Uint8Array[] = [];
  for (const split of [data.train, data.test]) {
    for (const augment of [undefined, { seed: 1, epoch: 2 }]) {
      const into = new Uint8Array(split.size * 3072);
      const indices = Int32Array.from({ length: split.size }, (_, i) => i);
      const request = { indices, height: 32, width: 32, into };
      await split.read(augment === undefined ? request : { ...request, augment });
      all.push(into);
    }
    all.push(Uint8Array.from(split.labels));
  }
  return all;
}

const close = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] as number)), 0) / a.length;

describe.skipIf(!decodes)('a packed store (needs libjpeg-turbo)', () => {
  it('of pixels gives the same images as the files, where nothing had to be made smaller', async () => {
    const root = await tree(1);
    expect(await pack(root, target(), { quality: 'raw', resolution: 300 })).toMatchObject({
      images: 32,
      leftOut: 0,
      found: 0,
    });
    // `large` is decoded at half its size for crops that are large enough, pixels are not.
    const [stored, files] = [await pixelsOf(target()), await pixelsOf(root)];
    expect(stored[0]).toEqual(files[0]);
    expect(stored[3]).toEqual(files[3]);
    expect(close(stored[1] as Uint8Array, files[1] as Uint8Array)).toBeLessThan(1);
    expect([stored[2], stored[5]]).toEqual([files[2], files[5]]);
  });

  it('of JPEG keeps small JPEG files as they are, and makes the others small', async () => {
    const root = await tree(1);
    await pack(root, target(), { resolution: 60, quality: 95 });
    const store = await readFile(target());
    for (const kind of ['half_colours', 'full_colours', 'grey', 'small'])
      expect(store.includes(Buffer.from(file(kind)))).toBe(true);
    for (const kind of ['cmyk', 'progressive', 'large', 'png'])
      expect(store.includes(Buffer.from(file(kind)))).toBe(false);
    expect(store.length).toBeLessThan(4 * [...kinds].reduce((sum, kind) => sum + file(kind).length, 0));
    const [stored, files] = [await pixelsOf(target()), await pixelsOf(root)];
    expect(close(stored[0] as Uint8Array, files[0] as Uint8Array)).toBeLessThan(8);
  });

  it('does not depend on the number of threads, and tells what it is', async () => {
    const root = await tree(5);
    await pack(root, target('one.s2pack'), { workers: 1, resolution: 48 });
    await pack(root, target('four.s2pack'), { workers: 4, resolution: 48 });
    expect(await readFile(target('one.s2pack'))).toEqual(await readFile(target('four.s2pack')));
    const summary = verifyStore(target('one.s2pack'));
    expect(summary).toMatchObject({
      classes: ['a', 'b'],
      train: 80,
      test: 16,
      images: 96,
      resolution: 48,
      quality: 90,
    });
  });

  it('leaves out what cannot be read, by name', async () => {
    const root = await tree(1, new Map([['train/a/half_colours0.jpg', new Uint8Array(0)]]));
    const error = await rejection(pack(root, target()));
    expect(error.message).toMatch(/half_colours0\.jpg is empty; remove or replace it/);
    const told: string[] = [];
    const skip: PackOptions = { broken: 'skip', onBroken: (name, reason) => told.push(`${name} ${reason}`) };
    expect(await pack(root, target(), skip)).toMatchObject({ images: 31, leftOut: 1 });
    expect(told).toHaveLength(1);
    expect(verifyStore(target()).leftOut).toEqual(told);
    using data = await openImages({ root: target() });
    expect([data.train.size, data.test.size]).toEqual([15, 16]);
  });
});

describe.skipIf(!decodes)('packing that was interrupted (needs libjpeg-turbo)', () => {
  it.each([0.15, 0.4, 0.7, 0.95])('killed after %d of the time, ends with the same bytes', async (share) => {
    const root = await tree(40);
    const begin = performance.now();
    await runPack(root, target('whole.s2pack'));
    const milliseconds = performance.now() - begin;
    const child = startPack(root, target());
    const closed = new Promise((resolve) => child.on('close', resolve)); // it may be done before it is killed
    await sleep(share * milliseconds);
    child.kill('SIGKILL');
    await closed;
    // It may have been too early for a file, or too late to be killed.
    const before = existsSync(target('store.s2pack.partial')) ? (await stat(target('store.s2pack.partial'))).size : 0;
    const { found } = await pack(root, target(), settings);
    expect(found > 0 || before < 30_000 || existsSync(target())).toBe(true);
    expect(await readFile(target())).toEqual(await readFile(target('whole.s2pack')));
    expect(existsSync(target('store.s2pack.partial'))).toBe(false);
  });

  it('goes on behind a record that was only half written, or damaged', async () => {
    const root = await tree(10);
    await pack(root, target('whole.s2pack'), settings);
    const whole = await readFile(target('whole.s2pack'));
    for (const [cut, damage] of [
      [whole.length * 0.5, 0],
      [whole.length * 0.7, whole.length * 0.6],
      [700, 0],
      [10, 0],
    ]) {
      const partial = target('store.s2pack.partial');
      await writeFile(partial, whole);
      await truncate(partial, Math.floor(cut as number));
      if (damage !== 0) {
        const content = await readFile(partial);
        content[Math.floor(damage as number)] = (content[Math.floor(damage as number)] as number) ^ 0x55;
        await writeFile(partial, content);
      }
      await pack(root, target(), settings);
      expect(Buffer.compare(await readFile(target()), whole)).toBe(0);
    }
  });

  it('begins anew where images or settings are others', async () => {
    const root = await tree(10);
    await pack(root, target('whole.s2pack'), settings);
    await copyFile(target('whole.s2pack'), target('store.s2pack.partial'));
    expect((await pack(root, target(), { ...settings, quality: 50 })).found).toBe(0);
    expect(verifyStore(target()).quality).toBe(50);
  });

  it('stops at a signal, between batches', async () => {
    const root = await tree(30);
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(new Error('enough'));
    const error = await rejection(pack(root, target(), { ...settings, signal: controller.signal, onProgress }));
    expect(error.message).toBe('enough');
    expect((await pack(root, target(), settings)).found).toBe(64);
  });
});

describe.skipIf(!decodes)('a store that is damaged (needs libjpeg-turbo)', () => {
  it('is found out, and its images are named', async () => {
    const root = await tree(5);
    await pack(root, target(), settings);
    const whole = await readFile(target());
    const damaged = Buffer.from(whole);
    damaged[5000] = (damaged[5000] as number) ^ 1;
    await writeFile(target(), damaged);
    expect(() => verifyStore(target())).toThrow(/is damaged: of its 96 images only the first \d+ are sound/);
    await writeFile(target(), whole.subarray(0, whole.length - 10));
    expect((await rejection(openImages({ root: target() }))).message).toMatch(/has no index at its end/);
    const index = Buffer.from(whole);
    index[whole.length - 200] = (index[whole.length - 200] as number) ^ 1;
    await writeFile(target(), index);
    expect((await rejection(openImages({ root: target() }))).message).toMatch(/the index of .* is damaged/);
  });
});

const settings: PackOptions = { resolution: 48, workers: 1 };

/** Packs in a process of its own, which can be killed. */
function startPack(root: string, to: string) {
  const module = pathToFileURL(fileURLToPath(new URL('../dist/index.js', import.meta.url))).href;
  const program = `const { pack } = await import(${JSON.stringify(module)});
    await pack(${JSON.stringify(root)}, ${JSON.stringify(to)}, ${JSON.stringify(settings)});`;
  return spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' });
}

const runPack = (root: string, to: string): Promise<void> =>
  new Promise((resolve, reject) => {
    startPack(root, to).on('close', (code) => (code === 0 ? resolve() : reject(new Error(`exit code ${code}`))));
  });
