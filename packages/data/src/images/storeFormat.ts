import { crc32 } from 'node:zlib';
import { DataError } from '@s2sam/core';

/*
 * A packed store is one file:
 *
 *   head     64 bytes: magic, length and CRC-32 of the description
 *   JSON     the description (StoreDescription), filled up with spaces to a multiple of 64 bytes
 *   records  in the order of the source, the training images first; each a header of 32 bytes and its bytes, filled up to 8
 *   index    for each image that is in it: offset (f64), length, label, width, height (u32)
 *   foot     64 bytes: magic, offset, count and CRC-32 of the index
 *
 * Numbers are little-endian. A record whose image was left out holds the reason. Nothing depends on when or how often packing was
 * interrupted.
 */

export const HEAD_BYTES = 64;
export const FOOT_BYTES = 64;
export const RECORD_BYTES = 32;
const HEAD_MAGIC = 'S2SAM.PACKED.1\n\0';
const FOOT_MAGIC = 'S2SAM.INDEXED.1\0';
const RECORD_MAGIC = 0x4b504332;
const ENTRY_BYTES = 24;

/** What a store is made of. */
export interface StoreDescription {
  readonly name: string;
  readonly classes: readonly string[];
  /** Images of the source, broken ones included. */
  readonly train: number;
  readonly test: number;
  /** Longest shorter side, in pixels. */
  readonly resolution: number;
  /** Of JPEG; 0: pixels. */
  readonly quality: number;
  /** Of names and labels of the source. */
  readonly source: string;
}

/** One image in the file, or why it is not there. */
export interface StoreRecord {
  readonly label: number;
  /** 0 where the bytes are a JPEG. */
  readonly width: number;
  readonly height: number;
  readonly leftOut: boolean;
  readonly bytes: Uint8Array;
}

export interface IndexEntry {
  readonly offset: number;
  readonly length: number;
  readonly label: number;
  readonly width: number;
  readonly height: number;
}

const fill = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

export function encodeHead(description: StoreDescription): Buffer {
  const json = Buffer.from(JSON.stringify(description));
  const padded = Buffer.alloc(fill(json.length, 64), ' ');
  json.copy(padded);
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(HEAD_MAGIC, 'latin1');
  head.writeUInt32LE(padded.length, 16);
  head.writeUInt32LE(crc32(padded), 20);
  return Buffer.concat([head, padded]);
}

/** Length and checksum of the JSON behind a head; undefined where it is none. */
export function decodeHead(head: Buffer): { length: number; checksum: number } | undefined {
  if (head.length < HEAD_BYTES || head.toString('latin1', 0, 16) !== HEAD_MAGIC) return undefined;
  return { length: head.readUInt32LE(16), checksum: head.readUInt32LE(20) };
}

/** How long a record with so many bytes is. */
export const recordLength = (bytes: number): number => RECORD_BYTES + fill(bytes, 8);

export function encodeRecord({ label, width, height, leftOut, bytes }: StoreRecord): Buffer {
  const record = Buffer.alloc(recordLength(bytes.length));
  record.writeUInt32LE(RECORD_MAGIC, 0);
  record.writeUInt32LE(leftOut ? 1 : 0, 4);
  record.writeUInt32LE(label, 8);
  record.writeUInt32LE(width, 12);
  record.writeUInt32LE(height, 16);
  record.writeUInt32LE(bytes.length, 20);
  record.set(bytes, RECORD_BYTES);
  // Of the header so far, and the bytes.
  record.writeUInt32LE(crc32(bytes, crc32(record.subarray(0, 24))), 24);
  return record;
}

export interface RecordHeader extends Omit<StoreRecord, 'bytes'> {
  readonly length: number;
  readonly checksum: number;
}

/** Undefined where no record begins. */
export function decodeRecordHeader(header: Buffer): RecordHeader | undefined {
  if (header.length < RECORD_BYTES || header.readUInt32LE(0) !== RECORD_MAGIC) return undefined;
  return {
    leftOut: header.readUInt32LE(4) === 1,
    label: header.readUInt32LE(8),
    width: header.readUInt32LE(12),
    height: header.readUInt32LE(16),
    length: header.readUInt32LE(20),
    checksum: header.readUInt32LE(24),
  };
}

export const recordIsSound = (header: Buffer, bytes: Buffer, { checksum }: RecordHeader): boolean =>
  crc32(bytes, crc32(header.subarray(0, 24))) === checksum;

/** Index and foot; `trainImages` of the entries are for training. */
export function encodeIndex(entries: readonly IndexEntry[], trainImages: number, offset: number): Buffer {
  const index = Buffer.alloc(entries.length * ENTRY_BYTES);
  for (const [i, entry] of entries.entries()) {
    const at = i * ENTRY_BYTES;
    index.writeDoubleLE(entry.offset, at);
    index.writeUInt32LE(entry.length, at + 8);
    index.writeUInt32LE(entry.label, at + 12);
    index.writeUInt32LE(entry.width, at + 16);
    index.writeUInt32LE(entry.height, at + 20);
  }
  const foot = Buffer.alloc(FOOT_BYTES);
  foot.write(FOOT_MAGIC, 'latin1');
  foot.writeDoubleLE(offset, 16);
  foot.writeUInt32LE(entries.length, 24);
  foot.writeUInt32LE(trainImages, 28);
  foot.writeUInt32LE(crc32(index), 32);
  return Buffer.concat([index, foot]);
}

export interface StoreFoot {
  readonly offset: number;
  readonly count: number;
  readonly trainImages: number;
  readonly checksum: number;
}

/** Undefined where it is none. */
export function decodeFoot(foot: Buffer): StoreFoot | undefined {
  if (foot.length < FOOT_BYTES || foot.toString('latin1', 0, 16) !== FOOT_MAGIC) return undefined;
  return {
    offset: foot.readDoubleLE(16),
    count: foot.readUInt32LE(24),
    trainImages: foot.readUInt32LE(28),
    checksum: foot.readUInt32LE(32),
  };
}

export const indexBytes = ({ count }: StoreFoot): number => count * ENTRY_BYTES;

/** The index as columns. Throws DataError where it is damaged. */
export function decodeIndex(index: Buffer, foot: StoreFoot, path: string): IndexColumns {
  if (crc32(index) !== foot.checksum) {
    throw new DataError(`images: the index of ${path} is damaged; pack it again`, { op: 'images' });
  }
  const { count } = foot;
  const columns = {
    offsets: new Float64Array(count),
    lengths: new Uint32Array(count),
    labels: new Int32Array(count),
    widths: new Uint32Array(count),
    heights: new Uint32Array(count),
  };
  for (let i = 0; i < count; i++) {
    const at = i * ENTRY_BYTES;
    columns.offsets[i] = index.readDoubleLE(at);
    columns.lengths[i] = index.readUInt32LE(at + 8);
    columns.labels[i] = index.readUInt32LE(at + 12);
    columns.widths[i] = index.readUInt32LE(at + 16);
    columns.heights[i] = index.readUInt32LE(at + 20);
  }
  return columns;
}

export interface IndexColumns {
  readonly offsets: Float64Array;
  readonly lengths: Uint32Array;
  readonly labels: Int32Array;
  readonly widths: Uint32Array;
  readonly heights: Uint32Array;
}
