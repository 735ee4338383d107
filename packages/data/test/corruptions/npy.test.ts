import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError, IoError } from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import { NpyFile, npyHeader } from '../../src/corruptions/npy.js';
import { isolated, rejection } from '../helpers.js';
import { dict, header } from './files.js';

/** Written by numpy, see test/golden/make_npy_fixtures.py. */
const fixtures = fileURLToPath(new URL('../../../../test/golden/data/npy/', import.meta.url));
const place = isolated();

async function read(path: string, begin: number, count: number) {
  await using file = await NpyFile.open(path);
  return { shape: file.header.shape, data: [...(await file.rows(begin, count))] };
}
const ramp = (begin: number, count: number) => Array.from({ length: count }, (_, index) => (begin + index) % 251);

describe('files written by numpy', () => {
  it.each(['pixels.npy', 'pixels-v2.npy', 'pixels-v3.npy'])('%s: all rows, and rows in the middle', async (name) => {
    expect(await read(fixtures + name, 0, 4)).toEqual({ shape: [4, 2, 3, 3], data: ramp(0, 72) });
    expect((await read(fixtures + name, 1, 2)).data).toEqual(ramp(18, 36));
  });

  it('labels of each width', async () => {
    expect(await read(`${fixtures}labels-int64.npy`, 0, 4)).toEqual({ shape: [4], data: [7n, 0n, 2n ** 40n, -1n] });
    expect((await read(`${fixtures}labels-int64.npy`, 2, 1)).data).toEqual([2n ** 40n]);
    expect((await read(`${fixtures}labels-int32.npy`, 0, 4)).data).toEqual([7, 0, 2 ** 30, -1]);
    expect((await read(`${fixtures}labels-uint8.npy`, 1, 2)).data).toEqual([0, 255]);
  });

  it('no rows', async () => {
    expect(await read(`${fixtures}empty.npy`, 0, 0)).toEqual({ shape: [0, 32, 32, 3], data: [] });
  });

  it.each([
    ['fortran.npy', 'it is in Fortran order; it must be in C order'],
    ['float64.npy', "its elements are '<f8'; they must be uint8, int32 or int64"],
    ['big-endian.npy', "its elements are '>i8'; they must be"],
    ['structured.npy', "its elements are [('a', '|u1'), ('b', '<i4')]; they must be"],
  ])('refuses %s', async (name, message) => {
    const error = await rejection(NpyFile.open(fixtures + name));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain(`readNpy: ${fixtures}${name}: ${message}`);
  });
});

describe('damaged files', () => {
  const good = Buffer.concat([header(dict('|u1', '5, 2')), Buffer.alloc(10)]);
  it.each([
    ['cut within the data', good.subarray(0, -3), /truncated: 135 bytes instead of the 138 that shape \(5,2\) takes/],
    ['with bytes behind', Buffer.concat([good, Buffer.alloc(2)]), /too long: 140 bytes instead of the 138/],
    ['cut within the header', good.subarray(0, 40), /truncated: it ends at byte 40/],
    ['cut within the magic', good.subarray(0, 4), /no \.npy file: it begins with 934e554d instead of/],
    ['empty', Buffer.alloc(0), /no \.npy file: it begins with nothing/],
    ['of another kind', Buffer.from('PK\x03\x04 and so on and on', 'latin1'), /begins with 504b03042061 instead of/],
    ['of an unknown version', header(dict('|u1', '5'), { version: 9 }), /unknown version 9/],
    ['with a header of nonsense', header('{nonsense}'), /its header is damaged: "\{nonsense\}"/],
    ['without a shape', header("{'descr': '|u1', 'fortran_order': False}"), /its header is damaged/],
  ])('%s', async (_, bytes, message) => {
    const path = join(place.folder, 'broken.npy');
    writeFileSync(path, bytes);
    const error = await rejection(NpyFile.open(path));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
  });

  it('missing', async () => {
    expect(await rejection(NpyFile.open(join(place.folder, 'nothing.npy')))).toBeInstanceOf(IoError);
  });
});

describe('npyHeader', () => {
  it.each([
    ['pixels.npy', [4, 2, 3, 3]],
    ['labels-uint8.npy', [3]],
    ['empty.npy', [0, 32, 32, 3]],
  ])('is what numpy writes: %s', (name, shape) => {
    const written = Buffer.from(npyHeader(shape));
    expect(written.equals(readFileSync(fixtures + name).subarray(0, written.length))).toBe(true);
  });
});
