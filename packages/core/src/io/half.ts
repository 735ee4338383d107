/** Value of the 16 bits of an IEEE 754 half: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

let halves: Float32Array | undefined;

/** IEEE 754 half precision to single precision, exact. */
export function decodeFloat16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  halves ??= Float32Array.from({ length: 0x10000 }, (_, index) => halfValue(index));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = halves[bits[i] as number] as number;
  return values;
}

/** bfloat16 (the upper half of a float32) to single precision, exact. */
export function decodeBFloat16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const words = Uint32Array.from(bits, (word) => word << 16);
  return new Float32Array(words.buffer);
}
