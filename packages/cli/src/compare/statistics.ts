import { tQuantile } from './student.js';

/** Mean and spread of a sample. */
export interface Sample {
  readonly count: number;
  /** NaN of an empty sample. */
  readonly mean: number;
  /** Standard deviation with count - 1 in the denominator; NaN below two values. */
  readonly deviation: number;
}

export function sample(values: readonly number[]): Sample {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { count, mean, deviation: count < 2 ? Number.NaN : Math.sqrt(squares / (count - 1)) };
}

/** Differences of pairs, and where their mean lies with 95 % confidence. */
export interface PairedDifference extends Sample {
  /** Mean -+ t * deviation / sqrt(count), t of Student's distribution with count - 1 degrees of freedom; NaN below two pairs. */
  readonly low: number;
  readonly high: number;
}

/** `treated` minus `baseline` for every key that both have, such as a seed. */
export function pairedDifference(
  baseline: ReadonlyMap<number, number>,
  treated: ReadonlyMap<number, number>,
): PairedDifference {
  const differences = [...treated].flatMap(([key, value]) => {
    const other = baseline.get(key);
    return other === undefined ? [] : [value - other];
  });
  const found = sample(differences);
  const { count, mean, deviation } = found;
  const half = count < 2 ? Number.NaN : (tQuantile(0.95, count - 1) * deviation) / Math.sqrt(count);
  return { ...found, low: mean - half, high: mean + half };
}
