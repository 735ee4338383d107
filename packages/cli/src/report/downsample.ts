import type { Column } from './client/types.js';

/** Means of `size` neighbours each; a bucket without a finite value is null. */
export function bucketMeans(values: readonly (number | null)[], size: number): Column {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, bucket) => {
    const finite = values.slice(bucket * size, (bucket + 1) * size).filter((value) => value !== null);
    return finite.length === 0 ? null : finite.reduce((sum, value) => sum + value, 0) / finite.length;
  });
}

/** The last of each `size` neighbours. */
export const bucketEnds = (values: readonly number[], size: number): number[] =>
  Array.from(
    { length: Math.ceil(values.length / size) },
    (_, bucket) => values[Math.min((bucket + 1) * size, values.length) - 1] as number,
  );
