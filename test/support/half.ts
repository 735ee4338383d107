import type { DTypeName } from '@s2sam/native';

export type HalfName = Extract<DTypeName, 'f16' | 'bf16'>;

interface Format {
  /** Bits behind the leading one. */
  readonly fraction: number;
  readonly smallestExponent: number;
  readonly largest: number;
}

const formats: Record<HalfName, Format> = {
  f16: { fraction: 10, smallestExponent: -14, largest: 65504 },
  bf16: { fraction: 7, smallestExponent: -126, largest: (2 - 2 ** -7) * 2 ** 127 },
};

/** The distance between the numbers of this type around x. */
export function spacing(dtype: HalfName, x: number): number {
  const { fraction, smallestExponent } = formats[dtype];
  const magnitude = Math.abs(x);
  let exponent = Math.max(Math.floor(Math.log2(magnitude)), smallestExponent);
  if (2 ** exponent > magnitude && exponent > smallestExponent) exponent--; // log2 rounds up just below a power of two
  return 2 ** (exponent - fraction);
}

/** x as this type stores it: to nearest, ties to even, infinite past the largest. From IEEE 754, not from the code under test. */
export function roundTo(dtype: HalfName, x: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  const unit = spacing(dtype, x);
  const floor = Math.floor(x / unit);
  const above = x / unit - floor;
  const up = above > 0.5 || (above === 0.5 && floor % 2 !== 0);
  const rounded = (up ? floor + 1 : floor) * unit;
  if (Math.abs(rounded) > formats[dtype].largest) return Math.sign(x) * Number.POSITIVE_INFINITY;
  return rounded === 0 ? Math.sign(x) * 0 : rounded;
}
