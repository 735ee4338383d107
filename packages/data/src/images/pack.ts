import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { ArgumentError, DataError, ioError } from '@s2sam/core';
import { Decoder } from './decoder.js';
import type { EncodedDataset, EncodedSplit } from './encoded.js';
import { openEncoded } from './open.js';
import { StoreFile } from './store.js';
import {
  encodeHead,
  encodeIndex,
  encodeRecord,
  type IndexEntry,
  RECORD_BYTES,
  recordLength,
  type StoreDescription,
  type StoreRecord,
} from './storeFormat.js';

export interface PackProgress {
  /** Images done, those of an earlier attempt included. */
  readonly done: number;
  readonly total: number;
  readonly bytes: number;
}

export interface PackOptions {
  /** Most pixels of the shorter side; smaller images stay as they are. Default 256. */
  readonly resolution?: number;
  /** Of JPEG, 1 to 100, or `raw` for pixels. Default 90. */
  readonly quality?: number | 'raw';
  /** Threads. Default: one per core. The file does not depend on it. */
  readonly workers?: number;
  /** What becomes of an image that cannot be read. Default `error`. */
  readonly broken?: 'error' | 'skip';
  readonly onBroken?: (name: string, reason: string) => void;
  readonly onProgress?: (progress: PackProgress) => void;
  /** Stops after the images at work; the next call goes on there. Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface PackResult {
  readonly images: number;
  readonly leftOut: number;
  readonly bytes: number;
  /** Images that an earlier attempt had packed. */
  readonly found: number;
}

/** Images that are packed between two writes. */
const BATCH = 64;

/** Of every name and label, so that packing goes on with the same images only. */
function fingerprint({ classes, train, test }: EncodedDataset): string {
  const hash = createHash('sha256').update(JSON.stringify(classes));
  for (const split of [train, test]) {
    hash.update(split.labels);
    for (let i = 0; i < split.size; i++) hash.update(`${split.nameOf(i)}\n`);
  }
  return hash.digest('hex');
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** The store while it is written. */
class Writer implements AsyncDisposable {
  readonly entries: IndexEntry[] = [];
  /** Records, left-out images included. */
  count = 0;
  /** Of `entries`. */
  trainImages = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly trainRecords: number,
    public end: number,
  ) {}

  /** Takes note of a record that is in the file already. */
  note(record: Omit<StoreRecord, 'bytes'> & { readonly length: number }): void {
    const { label, width, height, length, leftOut } = record;
    if (!leftOut) {
      this.entries.push({ offset: this.end + RECORD_BYTES, length, label, width, height });
      if (this.count < this.trainRecords) this.trainImages += 1;
    }
    this.end += recordLength(length);
    this.count += 1;
  }

  async append(records: readonly StoreRecord[]): Promise<void> {
    const bytes = Buffer.concat(records.map(encodeRecord));
    await writeAll(this.file, bytes, this.end);
    for (const record of records) this.note({ ...record, length: record.bytes.length });
  }

  async finish(): Promise<void> {
    const index = encodeIndex(this.entries, this.trainImages, this.end);
    await writeAll(this.file, index, this.end);
    await this.file.truncate(this.end + index.length);
    await this.file.sync();
    this.end += index.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close();
  }
}

/** Opens the unfinished file, where there is one of the same description, else begins it. */
async function openWriter(path: string, description: StoreDescription): Promise<Writer> {
  const head = encodeHead(description);
  if (existsSync(path)) {
    using old = new StoreFile(path);
    const known = old.description();
    const same = known !== undefined && JSON.stringify(known.description) === JSON.stringify(description);
    if (same) {
      const writer = new Writer(await open(path, 'r+'), description.train, known.begin);
      for (const record of old.records(known.begin, old.size)) writer.note(record);
      return writer;
    }
  }
  const file = await open(path, 'w');
  await writeAll(file, head, 0);
  return new Writer(file, description.train, head.length);
}

/**
 * Packs a data set into one file, with its images made small. Whatever opens as a data set can be packed. While it is written the file is
 * called `target` with `.partial`; packing that was interrupted, even killed, goes on there, and ends with the same bytes. Throws
 * DataError for an image that cannot be read, ArgumentError, and IoError.
 */
export async function pack(source: string, target: string, options: PackOptions = {}): Promise<PackResult> {
  const { resolution = 256, quality = 90, workers = availableParallelism(), signal } = options;
  checkOptions(resolution, quality, workers);
  const dataset = await openEncoded(source);
  const description: StoreDescription = {
    name: dataset.name,
    classes: dataset.classes,
    train: dataset.train.size,
    test: dataset.test.size,
    resolution,
    quality: quality === 'raw' ? 0 : quality,
    source: fingerprint(dataset),
  };
  const partial = `${target}.partial`;
  const total = description.train + description.test;
  try {
    await using writer = await openWriter(partial, description);
    const found = writer.count;
    using decoder = new Decoder(workers);
    const packer = new Packer(dataset, decoder, description, options);
    // The next images are decoded while the last are written.
    let next = packer.records(writer.count);
    while (writer.count < total) {
      signal?.throwIfAborted();
      const records = await next;
      next = packer.records(writer.count + records.length);
      next.catch(() => undefined); // awaited in the next round, if there is one
      await writer.append(records);
      options.onProgress?.({ done: writer.count, total, bytes: writer.end });
    }
    await writer.finish();
    await rename(partial, target);
    return { images: writer.entries.length, leftOut: total - writer.entries.length, bytes: writer.end, found };
  } catch (cause) {
    if (cause instanceof Error && 'syscall' in cause) throw ioError('pack', target, cause);
    throw cause;
  }
}

/** Makes the records of a data set, by their place in the file. */
class Packer {
  constructor(
    private readonly dataset: EncodedDataset,
    private readonly decoder: Decoder,
    private readonly description: StoreDescription,
    private readonly options: PackOptions,
  ) {}

  /** The next records from one on; none behind the last. */
  async records(begin: number): Promise<StoreRecord[]> {
    const { train, test } = this.description;
    const count = Math.max(0, Math.min(BATCH, train + test - begin));
    const images = Array.from({ length: count }, (_, i) => this.#image(begin + i));
    const places = await Promise.all(images.map(({ split, index }) => split.place(index)));
    const { resolution, quality } = this.description;
    const packed = await this.decoder.pack(places, resolution, quality);
    return packed.map((image, i) => {
      const { split, index } = images[i] as { split: EncodedSplit; index: number };
      const label = split.labels[index] as number;
      if ('message' in image) return this.#leftOut(split.nameOf(index), image.message, label);
      const size = quality === 0 ? { width: image.width, height: image.height } : { width: 0, height: 0 };
      return { label, ...size, leftOut: false, bytes: image.bytes };
    });
  }

  #image(position: number): { split: EncodedSplit; index: number } {
    const { train, test } = this.dataset;
    return position < train.size ? { split: train, index: position } : { split: test, index: position - train.size };
  }

  #leftOut(name: string, message: string, label: number): StoreRecord {
    const { broken = 'error', onBroken } = this.options;
    if (broken === 'error') {
      throw new DataError(
        `pack: ${name} ${message}; remove or replace it, or let such images be left out (broken: skip)`,
        {
          op: 'pack',
        },
      );
    }
    onBroken?.(name, message);
    return { label, width: 0, height: 0, leftOut: true, bytes: Buffer.from(`${name} ${message}`) };
  }
}

function checkOptions(resolution: number, quality: number | 'raw', workers: number): void {
  const whole = (name: string, value: number, least: number, most: number): void => {
    if (Number.isInteger(value) && value >= least && value <= most) return;
    throw new ArgumentError(`pack: ${name} is ${value}; it must be a whole number from ${least} to ${most}`, {
      op: 'pack',
    });
  };
  whole('resolution', resolution, 16, 4096);
  whole('workers', workers, 1, 1024);
  if (quality !== 'raw') whole('quality', quality, 1, 100);
}
