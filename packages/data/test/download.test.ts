import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { type CifarSpec, openCifar } from '../src/cifar.js';
import { DatasetUnavailableError, type DownloadProgress } from '../src/index.js';
import { openOrReplace } from '../src/open.js';
import { readTar, type TarFile } from '../src/tar.js';
import { isolated, makeFiles, rejection, tiny10, tiny100 } from './helpers.js';

const place = isolated();

/** A tar file as `tar` makes it: a folder, then its files, then two empty blocks. */
function makeTar(folder: string, files: ReadonlyMap<string, Uint8Array>): Buffer {
  const entry = (name: string, type: string, content: Uint8Array) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write('0000644\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write(type, 156);
    header.write('ustar\0', 257);
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  };
  const parts = [...files].flatMap(([name, content]) => entry(`${folder}/${name}`, '0', content));
  return Buffer.concat([...entry(`${folder}/`, '5', new Uint8Array(0)), ...parts, Buffer.alloc(1024)]);
}

const archiveOf = (spec: CifarSpec, files = makeFiles(spec)) =>
  gzipSync(makeTar(spec.folder, new Map([['readme.html', Buffer.from('<p>')], ...files])));
const half = (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1);
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** The set with its archive on a server of our own. */
async function served(spec: CifarSpec, listener: RequestListener, checksum = md5(archiveOf(spec))): Promise<CifarSpec> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { ...spec, archive: { url: `http://127.0.0.1:${port}/${spec.folder}.tar.gz`, md5: checksum } };
}

const sending =
  (bytes: Uint8Array): RequestListener =>
  (_, response) => {
    response.setHeader('content-length', bytes.length);
    response.end(bytes);
  };

describe('download', () => {
  it.each([
    ['CIFAR-10', tiny10],
    ['CIFAR-100', tiny100],
  ])('installs %s in the root, reports progress, and is not repeated', async (_, tiny) => {
    let requests = 0;
    const archive = archiveOf(tiny);
    const spec = await served(tiny, (...args) => {
      requests++;
      sending(archive)(...args);
    });
    const seen: DownloadProgress[] = [];
    const root = join(place.folder, 'new', 'root');
    const data = await openCifar(spec, { root, onProgress: (progress) => seen.push(progress) });
    expect(data.train.size).toBe(tiny.train.files.length * 4);
    expect(await readdir(root)).toEqual([tiny.folder]);
    const files = makeFiles(tiny);
    expect((await readdir(join(root, tiny.folder))).sort()).toEqual([...files.keys()].sort());
    for (const [name, content] of files) {
      expect(content.equals(await readFile(join(root, tiny.folder, name)))).toBe(true);
    }
    expect(seen.at(-1)).toEqual({
      file: `${tiny.folder}.tar.gz`,
      receivedBytes: archive.length,
      totalBytes: archive.length,
    });
    const received = seen.map(({ receivedBytes }) => receivedBytes);
    expect(received).toEqual(received.toSorted((a, b) => a - b));
    await openCifar(spec, { root });
    expect(requests).toBe(1);
  });

  it('goes to the cache folder where no root is given, and does without a length', async () => {
    const spec = await served(tiny10, (_, response) => {
      response.write(archiveOf(tiny10).subarray(0, 100));
      response.end(archiveOf(tiny10).subarray(100));
    });
    const totals: (number | undefined)[] = [];
    await openCifar(spec, { onProgress: ({ totalBytes }) => totals.push(totalBytes) });
    expect(new Set(totals)).toEqual(new Set([undefined]));
    expect(await readdir(place.cache)).toEqual([tiny10.folder]);
  });

  it('may be done by two at once', async () => {
    const spec = await served(tiny10, sending(archiveOf(tiny10)));
    const both = await Promise.all([openCifar(spec), openCifar(spec)]);
    expect(both.map(({ train }) => train.size)).toEqual([20, 20]);
    expect(await readdir(place.cache)).toEqual([tiny10.folder]);
  });

  const failure = async (spec: CifarSpec, message: RegExp) => {
    const root = join(place.folder, 'root');
    const error = await rejection(openCifar(spec, { root }));
    expect(error).toBeInstanceOf(DatasetUnavailableError);
    expect(error.message).toMatch(/^cifar10 is in none of .*, and its download failed: /);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`unpack ${spec.archive.url} yourself and set S2SAM_DATA`);
    expect(await readdir(root)).toEqual([]);
    return error;
  };

  it('notices a wrong checksum', async () => {
    const archive = archiveOf(tiny10);
    const spec = await served(tiny10, sending(archive), '0'.repeat(32));
    const what = `wrong checksum: md5 of the ${archive.length} bytes received is ${md5(archive)} instead of 0{32}`;
    await failure(spec, new RegExp(what));
  });

  it('notices an answer other than the file', async () => {
    const spec = await served(tiny10, (_, response) => response.writeHead(404).end('not here'));
    await failure(spec, /the server answered 404 Not Found/);
  });

  it('notices a connection that breaks', async () => {
    const archive = archiveOf(tiny10);
    const spec = await served(tiny10, (_, response) => {
      response.setHeader('content-length', archive.length);
      response.write(half(archive), () => response.destroy());
    });
    await failure(spec, /download failed: (terminated|fetch failed): \S+/);
  });

  it('notices an archive that ends early, with or without the right checksum', async () => {
    const part = half(archiveOf(tiny10));
    await failure(await served(tiny10, sending(part)), /wrong checksum/);
    server?.close();
    await failure(await served(tiny10, sending(part), md5(part)), /unexpected end of file/);
  });

  it('notices an archive that lacks a file', async () => {
    const files = makeFiles(tiny10);
    files.delete('data_batch_4.bin');
    const archive = archiveOf(tiny10, files);
    await failure(await served(tiny10, sending(archive), md5(archive)), /does not contain data_batch_4\.bin/);
  });

  it('notices a server that is not there', async () => {
    const spec = await served(tiny10, sending(Buffer.alloc(0)));
    await new Promise((resolve) => server?.close(resolve));
    await failure(spec, /fetch failed: .*ECONNREFUSED/);
  });

  it('gives up on a server that does not answer', async () => {
    await failure(await served(tiny10, () => {}), /no answer from 127\.0\.0\.1:\d+ within 6 seconds/);
  }, 30_000);

  it('stops when aborted, with the reason of the signal, and leaves nothing', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const archive = archiveOf(tiny10);
    const spec = await served(tiny10, (_, response) => {
      response.setHeader('content-length', archive.length);
      response.write(half(archive));
    });
    const root = join(place.folder, 'root');
    const running = openCifar(spec, { root, signal: controller.signal, onProgress: () => controller.abort(reason) });
    expect(await rejection(running)).toBe(reason);
    expect(await readdir(root)).toEqual([]);
  });

  it('does not begin where a copy is there but damaged', async () => {
    const spec = await served(tiny10, () => expect.fail('nobody should ask'));
    const folder = join(place.folder, tiny10.folder);
    await mkdir(folder);
    await writeFile(join(folder, 'data_batch_2.bin'), 'short');
    const error = await rejection(openCifar(spec, { root: place.folder }));
    expect(error).not.toBeInstanceOf(DatasetUnavailableError);
    expect(error.message).toContain('data_batch_1.bin is missing');
  });
});

describe('fallback', () => {
  it('takes made-up images with the right number of classes, and says why', async () => {
    const spec = await served(tiny100, (_, response) => response.writeHead(503).end());
    const { dataset, notice } = await openOrReplace(spec, { fallback: true, procedural: { train: 200, test: 100 } });
    expect(dataset).toMatchObject({ name: 'procedural-32x32', synthetic: true, classes: 100, train: { size: 200 } });
    expect(notice).toMatch(/^made-up images \(procedural-32x32\) in place of cifar100.*: .*server answered 503/);
  });

  it('takes the real images without a notice where they can be had', async () => {
    const spec = await served(tiny10, sending(archiveOf(tiny10)));
    const { dataset, notice } = await openOrReplace(spec, { fallback: true });
    expect(dataset).toMatchObject({ name: 'cifar10', synthetic: false });
    expect(notice).toBeUndefined();
  });

  it('is not taken unasked, when aborted, or for a damaged copy', async () => {
    const spec = await served(tiny10, (_, response) => response.writeHead(503).end());
    expect(await rejection(openOrReplace(spec, {}))).toBeInstanceOf(DatasetUnavailableError);
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    expect(await rejection(openOrReplace(spec, { fallback: true, signal }))).toBe(reason);
    const good = await served(tiny10, sending(archiveOf(tiny10)));
    await openCifar(good);
    await truncate(join(place.cache, tiny10.folder, 'test_batch.bin'), 5);
    const error = await rejection(openOrReplace(good, { fallback: true }));
    expect(error.message).toContain('test_batch.bin is truncated: 5 bytes');
  });
});

describe('readTar', () => {
  const files = new Map([
    ['empty', Buffer.alloc(0)],
    ['block', Buffer.alloc(512, 1)],
    ['more', Buffer.alloc(1300, 2)],
  ]);
  async function* inPieces(bytes: Buffer, size: number) {
    for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
  }
  const read = async (bytes: Buffer, size: number) => {
    const found: TarFile[] = [];
    for await (const file of readTar(inPieces(bytes, size))) found.push(file);
    return found;
  };

  it.each([1, 100, 512, 513, 1e6])('reads files that arrive in pieces of %d bytes', async (size) => {
    const found = await read(makeTar('folder', files), size);
    expect(found.map(({ name }) => name)).toEqual(['folder/empty', 'folder/block', 'folder/more']);
    for (const [index, content] of [...files.values()].entries())
      expect(content.equals(found[index]?.content as Buffer)).toBe(true);
  });

  it('reads what the tar command writes', async (context) => {
    await mkdir(join(place.folder, 'set'));
    for (const [name, content] of files) await writeFile(join(place.folder, 'set', name), content);
    try {
      execFileSync('tar', ['-C', place.folder, '-cf', join(place.folder, 'set.tar'), 'set']);
    } catch {
      return context.skip('there is no tar command here');
    }
    const found = await read(await readFile(join(place.folder, 'set.tar')), 1000);
    expect(Object.fromEntries(found.map(({ name, content }) => [name, content]))).toEqual(
      Object.fromEntries([...files].map(([name, content]) => [`set/${name}`, content])),
    );
  });

  it('refuses an archive that ends inside a file or has no sizes', async () => {
    const whole = makeTar('folder', files);
    await expect(read(whole.subarray(0, whole.length - 1024 - 500), 1000)).rejects.toThrow(
      "ends inside 'folder/more': 1036 of 1300",
    );
    await expect(read(Buffer.alloc(1024, 'x'), 1000)).rejects.toThrow('has no size');
  });
});
