import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, type Split } from '@s2sam/core';

/** Files of fixed-size records: label bytes, then the image. */
export interface RecordFiles {
  readonly files: readonly string[];
  readonly recordsPerFile: number;
}

/** One label byte of a record, below `classes`. */
export interface RecordLabel {
  readonly name: string;
  readonly classes: number;
}

interface Source {
  readonly dataset: string;
  readonly folder: string;
  readonly files: RecordFiles;
  readonly labels: readonly RecordLabel[];
  readonly signal?: AbortSignal | undefined;
}

/** Three planes of 32 x 32 pixels: red, green, blue. */
const IMAGE_BYTES = 3 * 32 * 32;

/** Reads the records of some files into one split, in order. Throws DataError for a missing or damaged file. */
export async function readRecords(source: Source): Promise<Split> {
  const { folder, files, labels, signal } = source;
  const size = files.files.length * files.recordsPerFile;
  const images = new Uint8Array(size * IMAGE_BYTES);
  const classes = new Uint8Array(size);
  let image = 0;
  for (const file of files.files) {
    signal?.throwIfAborted();
    const path = join(folder, file);
    const bytes = await readWhole(source, path);
    const recordBytes = labels.length + IMAGE_BYTES;
    for (let offset = 0; offset < bytes.length; offset += recordBytes, image++) {
      classes[image] = readLabel(source, path, bytes, offset);
      images.set(bytes.subarray(offset + labels.length, offset + recordBytes), image * IMAGE_BYTES);
    }
  }
  return { size, images, labels: classes };
}

const damaged = ({ dataset, folder }: Source, what: string, cause?: unknown): DataError =>
  new DataError(`${dataset}: ${what}; delete ${folder} and let it be downloaded again, or put a sound copy there`, {
    op: dataset,
    cause,
  });

async function readWhole(source: Source, path: string): Promise<Uint8Array> {
  const { recordsPerFile } = source.files;
  const recordBytes = source.labels.length + IMAGE_BYTES;
  const expected = recordsPerFile * recordBytes;
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw damaged(
      source,
      cause.code === 'ENOENT' ? `${path} is missing` : `cannot read ${path}: ${cause.message}`,
      cause,
    );
  });
  const sizes = `${bytes.length} bytes instead of ${expected} (${recordsPerFile} records of ${recordBytes})`;
  if (bytes.length < expected) {
    const whole = Math.floor(bytes.length / recordBytes);
    const where = `record ${whole}, which begins at byte ${whole * recordBytes}, is not complete`;
    throw damaged(source, `${path} is truncated: ${sizes}; ${where}`);
  }
  if (bytes.length > expected) {
    throw damaged(source, `${path} is too long: ${sizes}; the bytes from ${expected} on belong to no record`);
  }
  return bytes;
}

/** The last label of the record at `offset`, after a check of all. */
function readLabel(source: Source, path: string, bytes: Uint8Array, offset: number): number {
  const { labels } = source;
  for (const [index, { name, classes }] of labels.entries()) {
    const label = bytes[offset + index] as number;
    if (label < classes) continue;
    const record = offset / (labels.length + IMAGE_BYTES);
    const range = `it must be from 0 to ${classes - 1}`;
    throw damaged(source, `${path}: the ${name} of record ${record} (byte ${offset + index}) is ${label}, ${range}`);
  }
  return bytes[offset + labels.length - 1] as number;
}
