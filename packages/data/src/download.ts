import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { DataError } from '@s2sam/core';
import { readTar } from './tar.js';

export interface Archive {
  /** A gzipped tar file. */
  readonly url: string;
  readonly md5: string;
}

export interface DownloadProgress {
  /** Name of the file that is being downloaded. */
  readonly file: string;
  readonly receivedBytes: number;
  /** Undefined where the server does not say. */
  readonly totalBytes: number | undefined;
}

export interface DownloadOptions {
  /** Stops a download; what was downloaded so far is removed. */
  readonly signal?: AbortSignal;
  /** Called for every piece that arrives. */
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/** A server has this long to answer, and then to send the next piece. */
const ANSWER_MS = 6_000;
const STALL_MS = 30_000;

/**
 * Downloads an archive, checks it, and puts the wanted files (base names) into the new folder `target`. All of it happens in a
 * folder beside `target`, which appears under its name when it is whole. Throws whatever went wrong.
 */
export async function installArchive(
  archive: Archive,
  wanted: readonly string[],
  target: string,
  options: DownloadOptions,
): Promise<void> {
  const work = join(dirname(target), `.${basename(target)}.${randomUUID()}.tmp`);
  const file = join(work, 'archive.tar.gz');
  const unpacked = join(work, 'files');
  try {
    await mkdir(unpacked, { recursive: true });
    await download(archive, file, options);
    await unpack(file, wanted, unpacked, options.signal);
    await rename(unpacked, target).catch(ignoreFinishedByAnother);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Another process may have installed the same files meanwhile. */
function ignoreFinishedByAnother(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
}

/** Aborts where nothing happens for too long. */
class Watchdog {
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  expectWithin(milliseconds: number, what: string): void {
    this.stop();
    const reason = new DataError(`${what} within ${milliseconds / 1000} seconds`);
    this.#timer = setTimeout(() => this.#controller.abort(reason), milliseconds);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

async function download({ url, md5 }: Archive, path: string, options: DownloadOptions): Promise<void> {
  const watchdog = new Watchdog();
  const signal = AbortSignal.any([watchdog.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const handle = await open(path, 'wx');
  try {
    watchdog.expectWithin(ANSWER_MS, `no answer from ${new URL(url).host}`);
    const response = await fetch(url, { signal });
    if (!response.ok || response.body === null) {
      throw new DataError(`the server answered ${response.status} ${response.statusText}`);
    }
    const length = response.headers.get('content-length');
    const totalBytes = length === null ? undefined : Number(length);
    const hash = createHash('md5');
    let receivedBytes = 0;
    watchdog.expectWithin(STALL_MS, 'no data arrived');
    for await (const piece of response.body) {
      watchdog.expectWithin(STALL_MS, 'no more data arrived');
      hash.update(piece);
      await handle.writeFile(piece);
      receivedBytes += piece.length;
      options.onProgress?.({ file: basename(url), receivedBytes, totalBytes });
    }
    const actual = hash.digest('hex');
    if (actual !== md5) {
      throw new DataError(`wrong checksum: md5 of the ${receivedBytes} bytes received is ${actual} instead of ${md5}`);
    }
  } catch (error) {
    throw plain(error);
  } finally {
    watchdog.stop();
    await handle.close();
  }
}

/** `fetch` hides what happened in the cause of a TypeError that says "fetch failed" or "terminated". */
function plain(error: unknown): unknown {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return error;
  return new DataError(`${error.message}: ${error.cause.message}`, { cause: error });
}

async function unpack(file: string, wanted: readonly string[], folder: string, signal?: AbortSignal): Promise<void> {
  const missing = new Set(wanted);
  await pipeline(createReadStream(file), createGunzip(), async (source: AsyncIterable<Uint8Array>) => {
    for await (const { name, content } of readTar(source)) {
      signal?.throwIfAborted();
      // Only base names that were asked for: an archive cannot write anywhere else.
      if (missing.delete(basename(name))) await writeFile(join(folder, basename(name)), content);
    }
  });
  if (missing.size > 0) throw new DataError(`the archive does not contain ${[...missing].join(', ')}`);
}
