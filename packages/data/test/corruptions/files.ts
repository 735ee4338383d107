import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A .npy header written by hand after numpy's format description, not by the code under test. */
export function header(dict: string, { version = 1, magic = '\x93NUMPY' } = {}): Buffer {
  const prefix = version === 1 ? 10 : 12;
  const text = `${dict}${' '.repeat((64 - ((prefix + dict.length + 1) % 64)) % 64)}\n`;
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from(`${magic}`, 'latin1'), Buffer.from([version, 0]), length, Buffer.from(text)]);
}

export const dict = (descr: string, shape: string, fortran = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': (${shape}), }`;

export function writeNpy(folder: string, name: string, descr: string, shape: string, data: Uint8Array): void {
  writeFileSync(join(folder, name), Buffer.concat([header(dict(descr, shape)), data]));
}

/** Labels 0..classes-1 in turn, as int64 little-endian. */
export function int64Labels(count: number, classes: number): Uint8Array {
  const labels = BigInt64Array.from({ length: count }, (_, index) => BigInt(index % classes));
  return new Uint8Array(labels.buffer);
}
