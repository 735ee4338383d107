import { basename, resolve } from 'node:path';
import { DataError } from '@s2sam/core';
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from 'hyparquet';
import { type EncodedDataset, type EncodedSplit, type ImagePlace, noImages } from './encoded.js';
import { countClasses, filesBySplit } from './shards.js';

/** Groups of rows whose images stay in memory. */
const CACHED_GROUPS = 4;

const labelColumns = ['label', 'labels', 'fine_label', 'cls'];
const imageColumns = ['image', 'img', 'jpg'];

/** Rows that a file stores together. */
interface Group {
  readonly path: string;
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly column: string;
}

type Row = Readonly<Record<string, unknown>>;

const wrong = (path: string, what: string, cause?: unknown): DataError =>
  new DataError(`images: ${path} ${what}`, { op: 'images', cause });

async function read(path: string, options: Parameters<typeof parquetReadObjects>[0]): Promise<readonly Row[]> {
  try {
    return await parquetReadObjects(options);
  } catch (cause) {
    throw wrong(path, `cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

/** The column of the schema with one of these names. */
function columnOf({ schema }: FileMetaData, names: readonly string[], path: string, what: string): string {
  const found = names.find((name) => schema.some((element) => element.name === name));
  if (found !== undefined) return found;
  throw wrong(path, `has no column of ${what}; it must be one of ${names.join(', ')}`);
}

/** Rows of one file: its groups, and all labels. */
async function openFile(path: string): Promise<{ groups: Group[]; labels: number[] }> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file).catch((cause: Error) => {
    throw wrong(path, `is no parquet file: ${cause.message}`, cause);
  });
  const column = columnOf(metadata, imageColumns, path, 'images');
  const labelColumn = columnOf(metadata, labelColumns, path, 'labels');
  let rowStart = 0;
  const groups = metadata.row_groups.map(({ num_rows }): Group => {
    const begin = rowStart;
    rowStart += Number(num_rows);
    return { path, file, metadata, rowStart: begin, rowEnd: rowStart, column };
  });
  const rows = await read(path, { file, metadata, columns: [labelColumn] });
  return { groups, labels: rows.map((row) => Number(row[labelColumn])) };
}

/** The bytes in a cell: the published form is { bytes, path }. */
function bytesOf(cell: unknown, path: string): Uint8Array {
  const inner = typeof cell === 'object' && cell !== null && 'bytes' in cell ? cell.bytes : cell;
  if (inner instanceof Uint8Array) return inner;
  throw wrong(path, 'holds no bytes in its column of images, perhaps only paths; it must be made with embedded images');
}

/** Images of groups of rows, of which the last few that were read stay in memory. */
class Groups {
  readonly #cache = new Map<number, Promise<readonly Uint8Array[]>>();

  constructor(private readonly groups: readonly Group[]) {}

  async image(group: number, row: number): Promise<Uint8Array> {
    const images = this.#cache.get(group) ?? this.#load(group);
    // The one used last goes last.
    this.#cache.delete(group);
    this.#cache.set(group, images);
    for (const old of [...this.#cache.keys()].slice(0, -CACHED_GROUPS)) this.#cache.delete(old);
    return (await images)[row] as Uint8Array;
  }

  async #load(group: number): Promise<readonly Uint8Array[]> {
    const { path, file, metadata, rowStart, rowEnd, column } = this.groups[group] as Group;
    const rows = await read(path, { file, metadata, columns: [column], rowStart, rowEnd, utf8: false });
    return rows.map((row) => bytesOf(row[column], path));
  }
}

async function splitOf(paths: readonly string[]): Promise<EncodedSplit> {
  if (paths.length === 0) return noImages;
  const groups: Group[] = [];
  const labels: number[] = [];
  for (const path of paths) {
    const file = await openFile(path);
    groups.push(...file.groups);
    labels.push(...file.labels);
  }
  if (labels.some((label) => !Number.isInteger(label) || label < 0)) {
    throw wrong(paths.join(', '), 'has rows without a label; remove them, or use another split');
  }
  const firsts: number[] = [];
  let size = 0;
  for (const { rowStart, rowEnd } of groups) {
    firsts.push(size);
    size += rowEnd - rowStart;
  }
  const images = new Groups(groups);
  const groupOf = (index: number): number => firsts.findLastIndex((first) => first <= index);
  const place = async (index: number): Promise<ImagePlace> => {
    const group = groupOf(index);
    return { bytes: await images.image(group, index - (firsts[group] as number)) };
  };
  const nameOf = (index: number): string => {
    const { path, rowStart } = groups[groupOf(index)] as Group;
    return `row ${rowStart + index - (firsts[groupOf(index)] as number)} of ${path}`;
  };
  return { size, labels: Int32Array.from(labels), nameOf, place };
}

/**
 * Parquet files as data sets are published on model hubs: a column `image` of { bytes, path } and a column `label`. Files whose path names
 * `val`, `validation` or `test` are for testing. Images are read a group of rows at a time, which is slow in random order: pack large
 * sets first (`pack`). Throws DataError.
 */
export async function openParquet(root: string): Promise<EncodedDataset> {
  const files = filesBySplit(root, '.parquet');
  const [train, test] = [await splitOf(files.train), await splitOf(files.test)];
  const classes = Array.from({ length: countClasses(train, test) }, (_, label) => String(label));
  return { name: basename(resolve(root)), classes, train, test };
}
