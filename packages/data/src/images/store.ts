import { basename } from 'node:path';
import { crc32 } from 'node:zlib';
import { DataError } from '@s2sam/core';
import type { EncodedDataset, EncodedSplit } from './encoded.js';
import { FileStretches } from './fileStretches.js';
import {
  decodeFoot,
  decodeHead,
  decodeIndex,
  decodeRecordHeader,
  FOOT_BYTES,
  HEAD_BYTES,
  type IndexColumns,
  indexBytes,
  RECORD_BYTES,
  type RecordHeader,
  recordIsSound,
  recordLength,
  type StoreDescription,
} from './storeFormat.js';

/** File name ending of stores. */
export const STORE_ENDING = '.s2pack';

/** A packed store, whole or in the making. */
export class StoreFile extends FileStretches {
  /** The description, and where records begin; undefined where there is none, or a damaged one. */
  description(): { description: StoreDescription; begin: number } | undefined {
    const head = decodeHead(this.read(0, HEAD_BYTES));
    if (head === undefined) return undefined;
    const json = this.read(HEAD_BYTES, head.length);
    if (json.length < head.length || crc32(json) !== head.checksum) return undefined;
    return { description: JSON.parse(json.toString('utf8')) as StoreDescription, begin: HEAD_BYTES + head.length };
  }

  /** The records from `begin` on that are whole and sound. */
  *records(begin: number, end: number): Generator<RecordHeader & { offset: number; bytes: Buffer }> {
    for (let at = begin; at + RECORD_BYTES <= end; ) {
      const head = this.read(at, RECORD_BYTES);
      const header = decodeRecordHeader(head);
      if (header === undefined || at + recordLength(header.length) > end) return;
      const bytes = this.read(at + RECORD_BYTES, header.length);
      if (bytes.length < header.length || !recordIsSound(head, bytes, header)) return;
      yield { ...header, offset: at + RECORD_BYTES, bytes };
      at += recordLength(header.length);
    }
  }
}

const unusable = (path: string, what: string): DataError =>
  new DataError(`images: ${path} ${what}; make it with 's2sam pack', which goes on where it was interrupted`, {
    op: 'images',
  });

function splitOf(path: string, index: IndexColumns, begin: number, end: number, name: string): EncodedSplit {
  return {
    size: end - begin,
    labels: index.labels.slice(begin, end),
    nameOf: (i) => `${name} image ${i} of ${path}`,
    place: (i) => {
      const at = begin + i;
      const [width, height] = [index.widths[at] as number, index.heights[at] as number];
      const place = { container: path, offset: index.offsets[at] as number, length: index.lengths[at] as number };
      return width === 0 ? place : { ...place, width, height };
    },
  };
}

interface OpenStore {
  readonly description: StoreDescription;
  readonly index: IndexColumns;
  readonly trainImages: number;
  /** Where records begin and end. */
  readonly begin: number;
  readonly end: number;
}

function openStoreFile(file: StoreFile): OpenStore {
  const { path } = file;
  const head = file.description();
  if (head === undefined) throw unusable(path, 'is no packed store, or its head is damaged');
  const foot = decodeFoot(file.read(file.size - FOOT_BYTES, FOOT_BYTES));
  if (foot === undefined)
    throw unusable(path, 'has no index at its end, so packing was not finished or the file is cut off');
  const index = decodeIndex(file.read(foot.offset, indexBytes(foot)), foot, path);
  return { ...head, index, trainImages: foot.trainImages, end: foot.offset };
}

/** A packed store, written by `pack`. Throws DataError where it is not whole; the images themselves are checked by `verifyStore`. */
export function openStore(path: string): EncodedDataset {
  using file = new StoreFile(path);
  const { description, index, trainImages } = openStoreFile(file);
  const count = index.labels.length;
  return {
    name: description.name,
    classes: description.classes,
    train: splitOf(path, index, 0, trainImages, 'training'),
    test: splitOf(path, index, trainImages, count, 'test'),
  };
}

/** What `verifyStore` found. */
export interface StoreSummary extends StoreDescription {
  /** Images that are in the file. */
  readonly images: number;
  /** Why others of the source are not. */
  readonly leftOut: readonly string[];
  readonly bytes: number;
}

/** Reads a whole store and compares every checksum. Throws DataError naming the first image that is damaged. */
export function verifyStore(path: string): StoreSummary {
  using file = new StoreFile(path);
  const { description, index, begin, end } = openStoreFile(file);
  const leftOut: string[] = [];
  let [images, reached] = [0, begin];
  for (const record of file.records(begin, end)) {
    reached = record.offset - RECORD_BYTES + recordLength(record.length);
    if (record.leftOut) leftOut.push(record.bytes.toString('utf8'));
    else if (index.offsets[images] === record.offset) images += 1;
    else break;
  }
  if (reached !== end || images !== index.labels.length) {
    throw unusable(path, `is damaged: of its ${index.labels.length} images only the first ${images} are sound`);
  }
  return { ...description, images, leftOut, bytes: file.size };
}

/** The name a store gives a data set of this path. */
export const nameOfStore = (path: string): string => basename(path, STORE_ENDING);
