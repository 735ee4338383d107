import { type Allocation, ConfigError, type Layout, type SparseLayer, streamKey } from '@s2sam/core';

/**
 * Weights kept of `size` at this density: all but floor((1 - density) * size). The tolerance is for rounding: without it 0.55 of
 * 100 would keep 56, because 0.55 * 100 comes out a little above 55.
 */
export const keptOf = (size: number, density: number): number => size - Math.floor(size - density * size + 1e-6);

/** floor(share * count), with the same tolerance. */
export const shareOf = (count: number, share: number): number => Math.floor(count * share + 1e-6);

/** What a layer is to keep. */
export type Count = readonly [layer: SparseLayer, kept: number];

/** What the layout gives to each layer. Throws ConfigError where it would leave one without any weight. */
export function countsOf(op: string, layout: Layout, layers: readonly SparseLayer[], density: number): Count[] {
  const allocation = layout.allocate(layers, density);
  return layers.map((layer) => [layer, keptIn(allocation, layer, op)] as const);
}

/** The count a layout gave to a layer, from 1 to its size. */
function keptIn(allocation: Allocation, { name, size }: SparseLayer, op: string): number {
  const kept = allocation.get(name);
  if (kept !== undefined && Number.isInteger(kept) && kept >= 1 && kept <= size) return kept;
  const found =
    kept === 0
      ? `would lose all of its ${size} weights`
      : `is to keep ${kept} of its ${size} weights; a layout must give each a count`;
  throw new ConfigError(`${op}: layer '${name}' ${found}; raise the density or choose another layout`, { op });
}

/** Random masks of these counts: positions depend on (seed, layer name) alone. */
export function drawMasks(counts: readonly Count[], seed: number): void {
  for (const [{ name, size, mask }, kept] of counts) {
    if (kept === size) mask.fill(true);
    else mask.random(kept, streamKey(seed, `mask/${name}`));
  }
}

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
export const weightsOf = (layers: readonly { readonly size: number }[]): number => sum(layers.map(({ size }) => size));
export const keptNow = (layers: readonly SparseLayer[]): number => sum(layers.map(({ mask }) => mask.kept));
