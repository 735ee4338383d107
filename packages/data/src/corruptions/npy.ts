import { type FileHandle, open } from 'node:fs/promises';
import { DataError, ioError } from '@s2sam/core';

/** Element types that CIFAR-C files have, by numpy's names for them: `|u1` and `<i8`, and what else labels are stored as. */
export type NpyType = 'u1' | 'i4' | 'i8';

export interface NpyHeader {
  readonly type: NpyType;
  readonly shape: readonly number[];
  /** Of the first element, in bytes from the beginning of the file. */
  readonly dataBegin: number;
}

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59); // \x93NUMPY
/** Headers of such arrays have about 120 bytes; a longer one is no header. */
const MAX_HEADER_BYTES = 1 << 16;

const types: Readonly<Record<string, NpyType>> = { '|u1': 'u1', '<u1': 'u1', '<i4': 'i4', '<i8': 'i8' };
const bytesOf: Readonly<Record<NpyType, number>> = { u1: 1, i4: 4, i8: 8 };
const arrays = {
  u1: (bytes: ArrayBuffer) => new Uint8Array(bytes),
  i4: (bytes: ArrayBuffer) => new Int32Array(bytes),
  i8: (bytes: ArrayBuffer) => new BigInt64Array(bytes),
} as const;
export type NpyArray = Uint8Array<ArrayBuffer> | Int32Array | BigInt64Array;

const wrong = (path: string, what: string): DataError =>
  new DataError(`readNpy: ${path}: ${what}; fetch the file again, or save it with numpy.save`, { op: 'readNpy' });

const product = (shape: readonly number[]): number => shape.reduce((total, extent) => total * extent, 1);

/** Reads rows of a .npy file (numpy's format, versions 1 to 3), without loading the rest. */
export class NpyFile implements AsyncDisposable {
  readonly path: string;
  readonly header: NpyHeader;
  readonly #handle: FileHandle;

  private constructor(path: string, header: NpyHeader, handle: FileHandle) {
    this.path = path;
    this.header = header;
    this.#handle = handle;
  }

  /**
   * Opens a file and checks its header and its length. Throws DataError for a file that is none of numpy's, of another type than uint8,
   * int32 or int64, in Fortran order, or not as long as its shape says; IoError where it cannot be opened.
   */
  static async open(path: string): Promise<NpyFile> {
    const handle = await open(path, 'r').catch((cause: unknown) => {
      throw ioError('readNpy', path, cause);
    });
    try {
      const header = await readHeader(path, handle);
      const bytes = header.dataBegin + product(header.shape) * bytesOf[header.type];
      const { size } = await handle.stat();
      if (size !== bytes) {
        const how = size < bytes ? 'truncated' : 'too long';
        throw wrong(path, `it is ${how}: ${size} bytes instead of the ${bytes} that shape (${header.shape}) takes`);
      }
      return new NpyFile(path, header, handle);
    } catch (cause) {
      await handle.close();
      throw ioError('readNpy', path, cause);
    }
  }

  /** Elements of rows [begin, begin + count) along the first axis. Throws IoError, and DataError where the file became shorter. */
  async rows(begin: number, count: number): Promise<NpyArray> {
    const { type, shape, dataBegin } = this.header;
    const rowBytes = product(shape.slice(1)) * bytesOf[type];
    const bytes = new Uint8Array(count * rowBytes);
    await readExactly(this.path, this.#handle, bytes, dataBegin + begin * rowBytes);
    return arrays[type](bytes.buffer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#handle.close();
  }
}

async function readExactly(path: string, handle: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done).catch((cause: unknown) => {
      throw ioError('readNpy', path, cause);
    });
    if (bytesRead === 0) throw wrong(path, `it is truncated: it ends at byte ${position + done}`);
    done += bytesRead;
  }
}

async function readHeader(path: string, handle: FileHandle): Promise<NpyHeader> {
  const start = new Uint8Array(12);
  const { bytesRead } = await handle.read(start, 0, start.length, 0);
  if (bytesRead < start.length || !MAGIC.every((byte, index) => start[index] === byte)) {
    const found = Buffer.from(start.subarray(0, Math.min(bytesRead, MAGIC.length))).toString('hex');
    throw wrong(path, `it is no .npy file: it begins with ${found || 'nothing'} instead of 934e554d5059 (\\x93NUMPY)`);
  }
  const [version = 0] = start.subarray(MAGIC.length);
  if (version < 1 || version > 3) throw wrong(path, `unknown version ${version} of the .npy format; 1 to 3 are known`);
  const view = new DataView(start.buffer);
  const [length, begin] = version === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12];
  if (length > MAX_HEADER_BYTES) throw wrong(path, `its header would have ${length} bytes; it is damaged`);
  const text = new Uint8Array(length);
  await readExactly(path, handle, text, begin);
  return { ...parseHeader(path, Buffer.from(text).toString('utf8')), dataBegin: begin + length };
}

/** The header is a Python dictionary: {'descr': '|u1', 'fortran_order': False, 'shape': (50000, 32, 32, 3), } */
function parseHeader(path: string, text: string): Pick<NpyHeader, 'type' | 'shape'> {
  const descr = text.match(/'descr'\s*:\s*('[^']*'|\[.*\])/s)?.[1];
  const fortran = text.match(/'fortran_order'\s*:\s*(True|False)/)?.[1];
  const extents = text.match(/'shape'\s*:\s*\(([\d\s,]*)\)/)?.[1];
  if (descr === undefined || fortran === undefined || extents === undefined) {
    throw wrong(path, `its header is damaged: ${JSON.stringify(text.trim().slice(0, 100))}`);
  }
  const type = types[descr.slice(1, -1)];
  if (type === undefined) throw wrong(path, `its elements are ${descr}; they must be uint8, int32 or int64`);
  if (fortran === 'True') throw wrong(path, 'it is in Fortran order; it must be in C order (numpy.ascontiguousarray)');
  const shape = extents.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  return { type, shape };
}

/** The beginning of a .npy file (version 1.0) of uint8 in C order; the elements follow. As numpy writes it, to the byte. */
export function npyHeader(shape: readonly number[]): Uint8Array {
  const extents = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (${extents}), }`;
  // Padded with blanks to a multiple of 64, with a line feed as its last byte.
  const padded = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = Buffer.alloc(10 + padded, ' ');
  header.set(MAGIC);
  header.set([1, 0], MAGIC.length);
  header.writeUInt16LE(padded, 8);
  header.write(text, 10, 'latin1');
  header[header.length - 1] = 0x0a;
  return header;
}
