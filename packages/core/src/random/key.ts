/** Key of one Philox stream: two unsigned 32-bit words. */
export type StreamKey = readonly [number, number];

const MASK64 = (1n << 64n) - 1n;

/** 64-bit FNV-1a over UTF-8. */
function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & MASK64;
  return hash;
}

/** The finaliser of splitmix64 (Steele, Lea, Flood 2014). */
function mix64(value: bigint): bigint {
  let z = (value + 0x9e3779b97f4a7c15n) & MASK64;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK64;
  return z ^ (z >> 31n);
}

/**
 * The stream that belongs to (seed, name, step): the same on every device, on every rank and after resume. Names are stable
 * words such as a parameter's name or `order`.
 */
export function streamKey(seed: number, name: string, step = 0): StreamKey {
  const key = mix64(mix64(mix64(BigInt(seed)) ^ fnv1a64(name)) ^ BigInt(step));
  return [Number(key & 0xffffffffn), Number(key >> 32n)];
}
