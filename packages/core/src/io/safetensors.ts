import { type FileHandle, open } from 'node:fs/promises';
import { ArgumentError, CheckpointError } from '../errors.js';
import { ioError, MAX_TRANSFER_BYTES, writeAll, writeFileAtomically } from './atomic.js';
import { decodeBFloat16, decodeFloat16 } from './half.js';

/** The arrays that hold each type. Numbers are little-endian, as is every machine this runs on. */
const arrays = { F32: Float32Array, I32: Int32Array, U32: Uint32Array, U8: Uint8Array, I64: BigInt64Array } as const;

export type StoredDType = keyof typeof arrays;

type StoredData = {
  [D in StoredDType]: { readonly dtype: D; readonly data: InstanceType<(typeof arrays)[D]> };
}[StoredDType];

/** A tensor of a safetensors file; `data` is row-major and as long as the product of `shape` (`[]`: one element). */
export type StoredTensor = StoredData & { readonly shape: readonly number[] };

export type NamedTensor = StoredTensor & { readonly name: string };

/** An F32 tensor whose data is fetched when its turn to be written comes. */
export interface DeferredTensor {
  readonly name: string;
  readonly dtype: 'F32';
  readonly shape: readonly number[];
  load(): Promise<Float32Array<ArrayBuffer>>;
}

export interface SafetensorsFile {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order in which the file stores them. F16 and BF16 arrive as F32. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** A type that a file may hold: bytes per element, and how data is made from bytes (a buffer of its own). */
interface Format {
  readonly bytes: number;
  decode(bytes: ArrayBuffer): StoredData;
}

const formats = {
  F32: { bytes: 4, decode: (bytes) => ({ dtype: 'F32', data: new Float32Array(bytes) }) },
  F16: { bytes: 2, decode: (bytes) => ({ dtype: 'F32', data: decodeFloat16(new Uint16Array(bytes)) }) },
  BF16: { bytes: 2, decode: (bytes) => ({ dtype: 'F32', data: decodeBFloat16(new Uint16Array(bytes)) }) },
  I32: { bytes: 4, decode: (bytes) => ({ dtype: 'I32', data: new Int32Array(bytes) }) },
  U32: { bytes: 4, decode: (bytes) => ({ dtype: 'U32', data: new Uint32Array(bytes) }) },
  U8: { bytes: 1, decode: (bytes) => ({ dtype: 'U8', data: new Uint8Array(bytes) }) },
  I64: { bytes: 8, decode: (bytes) => ({ dtype: 'I64', data: new BigInt64Array(bytes) }) },
} satisfies Record<string, Format>;

type FileDType = keyof typeof formats;

/** One tensor as the header describes it; offsets count from the end of the header. */
interface Entry {
  readonly name: string;
  readonly dtype: FileDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

const METADATA = '__metadata__';
/** The limit of the safetensors library. */
const MAX_HEADER_BYTES = 100_000_000;

const product = (shape: readonly number[]): number => shape.reduce((total, extent) => total * extent, 1);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

// ---- writing -----------------------------------------------------------------------------------------------------------

/**
 * Writes a safetensors file that PyTorch's `safetensors` reads, under a temporary name first (see `writeFileAtomically`). Tensor
 * bytes go to the file straight from the arrays given, which must not change meanwhile; of deferred tensors one at a time is held.
 * Tensors are stored by falling element size, so that each one is aligned. Throws ArgumentError for a tensor whose array, shape or name does not fit, and IoError.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<NamedTensor | DeferredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ordered = [...tensors].sort((a, b) => elementBytes(b) - elementBytes(a));
  const header = makeHeader(ordered, metadata);
  await writeFileAtomically(path, async (handle) => {
    await writeAll(handle, header);
    for (const tensor of ordered) {
      const { data } = 'load' in tensor ? await loaded(tensor) : tensor;
      await writeAll(handle, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  });
}

const elementBytes = ({ dtype }: NamedTensor | DeferredTensor): number => arrays[dtype]?.BYTES_PER_ELEMENT ?? 0;

async function loaded({ name, dtype, shape, load }: DeferredTensor): Promise<NamedTensor> {
  const tensor = { name, dtype, shape, data: await load() };
  checkData(tensor);
  return tensor;
}

/** Length (u64), JSON, and spaces up to a multiple of 8 bytes. */
function makeHeader(
  tensors: readonly (NamedTensor | DeferredTensor)[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const entries = new Map<string, unknown>();
  let begin = 0;
  for (const tensor of tensors) {
    checkName(tensor.name, entries.has(tensor.name));
    if (!('load' in tensor)) checkData(tensor);
    const end = begin + product(tensor.shape) * elementBytes(tensor);
    entries.set(tensor.name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, end] });
    begin = end;
  }
  const described = Object.keys(metadata).length === 0 ? {} : { [METADATA]: metadata };
  const json = Buffer.from(JSON.stringify({ ...described, ...Object.fromEntries(entries) }));
  const padded = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(8 + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded));
  json.copy(header, 8);
  return header;
}

function checkName(name: string, taken: boolean): void {
  const op = 'writeSafetensors';
  if (taken || name === METADATA) {
    throw new ArgumentError(`${op}: the name '${name}' is ${taken ? 'used twice' : 'reserved'}; rename one tensor`, {
      op,
    });
  }
}

function checkData({ name, dtype, shape, data }: NamedTensor): void {
  const op = 'writeSafetensors';
  const typed = Object.hasOwn(arrays, dtype) && data instanceof arrays[dtype];
  if (!typed || !shape.every(isCount) || data.length !== product(shape)) {
    throw new ArgumentError(
      `${op}: tensor '${name}' is ${dtype} ${JSON.stringify(shape)} but its data is a ${data.constructor.name} of length ` +
        `${data.length}; give an array of that type with ${product(shape)} elements`,
      { op },
    );
  }
}

// ---- reading -----------------------------------------------------------------------------------------------------------

/** The message names the file, what is wrong where, and the remedy. */
const broken = (path: string, what: string, remedy = 'the file is damaged, take another copy or write it again') =>
  new CheckpointError(`readSafetensors: ${path}: ${what}; ${remedy}`, { op: 'readSafetensors' });

/**
 * Reads a safetensors file, ours or that of another program, after checking all of its header against the size of the file.
 * Types: F32, I32, U32, U8, I64, and F16 and BF16, which are converted to F32.
 *
 * Throws CheckpointError for a file that is not whole and sound, and IoError where the operating system refuses.
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  try {
    const handle = await open(path, 'r');
    try {
      return await readFrom(handle, path);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw ioError('readSafetensors', path, cause);
  }
}

async function readFrom(handle: FileHandle, path: string): Promise<SafetensorsFile> {
  const { size } = await handle.stat();
  const headerBytes = await readHeaderLength(handle, path, size);
  const start = 8 + headerBytes;
  const header = parseHeader(path, await readAt(handle, path, 8, headerBytes));
  const entries = header.tensors.map(([name, value]) => parseEntry(path, name, value)).sort(byOffset);
  checkCoverage(path, entries, start, size);

  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const bytes = await readAt(handle, path, start + begin, end - begin);
    tensors.set(name, { ...formats[dtype].decode(bytes), shape });
  }
  return { metadata: header.metadata, tensors };
}

async function readHeaderLength(handle: FileHandle, path: string, size: number): Promise<number> {
  if (size < 8) throw broken(path, `truncated: ${size} bytes, and the length of the header alone takes 8`);
  const length = new DataView(await readAt(handle, path, 0, 8)).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    const what = `the header length at offset 0 is ${length}, above the limit of ${MAX_HEADER_BYTES}`;
    throw broken(path, what, 'check that this is a safetensors file at all');
  }
  if (length > size - 8)
    throw broken(path, `truncated: the header ends at byte ${length + 8n} but the file has ${size}`);
  return Number(length);
}

async function readAt(handle: FileHandle, path: string, position: number, length: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let offset = 0; offset < length; ) {
    const wanted = Math.min(length - offset, MAX_TRANSFER_BYTES);
    const { bytesRead } = await handle.read(bytes, offset, wanted, position + offset);
    if (bytesRead === 0)
      throw broken(path, `truncated: no byte at offset ${position + offset}, the file shrank meanwhile`);
    offset += bytesRead;
  }
  return bytes.buffer;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly [name: string, value: unknown][];
}

function parseHeader(path: string, bytes: ArrayBuffer): Header {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw broken(path, `the header at offset 8 (${bytes.byteLength} bytes) is not JSON: ${(cause as Error).message}`);
  }
  if (!isObject(json)) throw broken(path, 'the header at offset 8 is not a JSON object');
  const metadata = Object.hasOwn(json, METADATA) ? json[METADATA] : {};
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw broken(path, `${METADATA} in the header is not an object of strings`);
  }
  return {
    metadata: metadata as Record<string, string>,
    tensors: Object.entries(json).filter(([name]) => name !== METADATA),
  };
}

function parseEntry(path: string, name: string, value: unknown): Entry {
  const { dtype, shape, data_offsets: offsets } = isObject(value) ? value : {};
  const tensor = `tensor '${name}'`;
  if (typeof dtype !== 'string' || !Object.hasOwn(formats, dtype)) {
    const known = Object.keys(formats).join(', ');
    throw broken(path, `${tensor} has the unknown dtype ${JSON.stringify(dtype)}`, `store it as one of ${known}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw broken(path, `${tensor} has the shape ${JSON.stringify(shape)}, not a list of whole numbers >= 0`);
  }
  const [begin, end] = Array.isArray(offsets) ? (offsets as unknown[]) : [];
  if (!isCount(begin) || !isCount(end) || begin > end || (offsets as unknown[]).length !== 2) {
    throw broken(
      path,
      `${tensor} has the data_offsets ${JSON.stringify(offsets)}, not [begin, end] with 0 <= begin <= end`,
    );
  }
  const entry: Entry = { name, dtype: dtype as FileDType, shape: shape as number[], begin, end };
  const bytes = product(entry.shape) * formats[entry.dtype].bytes;
  if (end - begin !== bytes) {
    const need = `${dtype} ${JSON.stringify(shape)} takes ${bytes} bytes`;
    throw broken(path, `${tensor} has ${end - begin} bytes (data_offsets ${begin} to ${end}) but ${need}`);
  }
  return entry;
}

const byOffset = (a: Entry, b: Entry): number => a.begin - b.begin || a.end - b.end;

/** The tensors must follow one another without gap or overlap, from the end of the header to the end of the file. */
function checkCoverage(path: string, entries: readonly Entry[], start: number, size: number): void {
  let expected = 0;
  let previous = 'the header';
  for (const { name, begin, end } of entries) {
    if (begin !== expected) {
      const what = begin < expected ? `overlaps ${previous}` : `leaves a gap after ${previous}`;
      throw broken(path, `tensor '${name}' ${what}: it begins at data offset ${begin} instead of ${expected}`);
    }
    if (start + end > size) {
      throw broken(path, `truncated: tensor '${name}' ends at byte ${start + end} but the file has ${size}`);
    }
    expected = end;
    previous = `tensor '${name}'`;
  }
  if (start + expected !== size) {
    throw broken(path, `${size - start - expected} bytes from offset ${start + expected} on belong to no tensor`);
  }
}
