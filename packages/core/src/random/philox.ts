import type { StreamKey } from './key.js';

/** High and low 32 bits of a 32 x 32 bit product. */
function multiply(a: number, b: number): [high: number, low: number] {
  const low = Math.imul(a, b) >>> 0;
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carried = aLow * bHigh + (middle % 0x10000);
  const high = aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000);
  return [high >>> 0, low];
}

/** Philox4x32-10 (Salmon et al., SC 2011): four random 32-bit words for a counter; the host twin of the native one. */
export function philox(key: StreamKey, c0: number, c1 = 0, c2 = 0, c3 = 0): [number, number, number, number] {
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [h0, l0] = multiply(0xd2511f53, c0);
    const [h1, l1] = multiply(0xcd9e8d57, c2);
    c0 = (h1 ^ c1 ^ k0) >>> 0;
    c2 = (h0 ^ c3 ^ k1) >>> 0;
    c1 = l1;
    c3 = l0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** A permutation of 0..size-1 (Fisher-Yates), a function of the key alone. */
export function permutation(size: number, key: StreamKey): Int32Array {
  const order = Int32Array.from({ length: size }, (_, index) => index);
  for (let i = size - 1; i > 0; i--) {
    const [high, low] = philox(key, i);
    // 53 random bits: the bias of the modulo is below 2^-36 for any data set that fits in memory.
    const j = Math.floor((((high >>> 11) * 0x100000000 + low) / 0x20000000000000) * (i + 1));
    const swapped = order[i] as number;
    order[i] = order[j] as number;
    order[j] = swapped;
  }
  return order;
}
