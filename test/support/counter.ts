/**
 * The project's counter-based random numbers, written once more for the tests, so that golden inputs do not depend on the code under
 * test. The twin of `golden/s2sam_golden/counter.py`; rules in `native/include/s2sam/ops.hpp`.
 */
export type Key = readonly [number, number];
type Words = [number, number, number, number];

const MASK64 = (1n << 64n) - 1n;

function mix64(value: bigint): bigint {
  let z = (value + 0x9e3779b97f4a7c15n) & MASK64;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK64;
  return z ^ (z >> 31n);
}

export function keyOf(seed: number, name: string, step = 0): Key {
  const hash = Buffer.from(name).reduce(
    (h, byte) => ((h ^ BigInt(byte)) * 0x100000001b3n) & MASK64,
    0xcbf29ce484222325n,
  );
  const key = mix64(mix64(mix64(BigInt(seed)) ^ hash) ^ BigInt(step));
  return [Number(key & 0xffffffffn), Number(key >> 32n)];
}

/** High half of a 32 x 32 bit product, from products that doubles hold exactly. */
function highProduct(a: number, b: number): number {
  const low = (a & 0xffff) * b;
  return Math.floor(((a >>> 16) * b + Math.floor(low / 0x10000)) / 0x10000);
}

export function philox([k0, k1]: Key, ...[c0, c1, c2, c3]: Words): Words {
  for (let round = 0; round < 10; round++) {
    const next0 = highProduct(0xcd9e8d57, c2) ^ c1 ^ k0;
    const next2 = highProduct(0xd2511f53, c0) ^ c3 ^ k1;
    c1 = Math.imul(0xcd9e8d57, c2) >>> 0;
    c3 = Math.imul(0xd2511f53, c0) >>> 0;
    c0 = next0 >>> 0;
    c2 = next2 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** Element i is word i % 4 of philox(key, i / 4). */
export function words(key: Key, count: number): Uint32Array {
  const out = new Uint32Array(Math.ceil(count / 4) * 4);
  for (let i = 0; i < out.length; i += 4) out.set(philox(key, i / 4, 0, 0, 0), i);
  return out.subarray(0, count);
}

export function uniform(key: Key, count: number, lo: number, hi: number): Float32Array {
  const width = Math.fround(hi - lo);
  return Float32Array.from(words(key, count), (word) => Math.fround((word >>> 8) * 2 ** -24 * width) + lo);
}

export function normal(key: Key, count: number, mean: number, std: number): Float32Array {
  const source = words(key, count + (count % 2));
  const [m, s] = [Math.fround(mean), Math.fround(std)];
  return Float32Array.from({ length: count }, (_, i) => {
    const pair = i - (i % 2);
    const radius = Math.sqrt(-2 * Math.log(((source[pair] as number) + 1) / 2 ** 32));
    const angle = 2 * Math.PI * ((source[pair + 1] as number) / 2 ** 32);
    return m + s * radius * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
  });
}

export const integers = (key: Key, count: number, below: number): Int32Array =>
  Int32Array.from(words(key, count), (word) => word % below);

export const pixels = (key: Key, count: number): Uint8Array =>
  Uint8Array.from(words(key, count), (word) => word >>> 24);

/** 0..count-1 by their 64-bit draws, smallest first. */
export function order(key: Key, count: number): number[] {
  const draws = Array.from({ length: count }, (_, i) => philox(key, i, 0, 0, 0));
  const [at, low] = [(i: number) => (draws[i] as Words)[0], (i: number) => (draws[i] as Words)[1]];
  return draws.map((_, i) => i).sort((i, j) => at(i) - at(j) || low(i) - low(j) || i - j);
}

/** 1 at the `keep` positions with the smallest 64-bit draws, 0 elsewhere. */
export function mask(key: Key, count: number, keep: number): Float32Array {
  const out = new Float32Array(count);
  for (const i of order(key, count).slice(0, keep)) out[i] = 1;
  return out;
}

/** Bit i % 32 of word i / 32 belongs to element i. */
export function packBits(kept: ArrayLike<number>): Uint32Array {
  const packed = new Uint32Array(Math.ceil(kept.length / 32));
  for (let i = 0; i < kept.length; i++)
    if (kept[i] !== 0) packed[i >>> 5] = ((packed[i >>> 5] as number) | (1 << (i % 32))) >>> 0;
  return packed;
}
