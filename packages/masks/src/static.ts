import { type Allocation, ConfigError, type Layout, type MaskStrategy, type SparseLayer, streamKey } from '@s2sam/core';
import { checkDensity, erk } from './layouts.js';

export interface StaticRandomOptions {
  /** Share of the weights kept, in (0, 1]. */
  readonly density: number;
  /** How the density is spread over layers. Default `erk()`. */
  readonly layout?: Layout;
}

/**
 * Random masks drawn once, before training, and never changed. Positions depend on (seed, layer name) alone. Throws ConfigError for
 * a density outside (0, 1]; `init` throws it where the layout cannot meet the density or would leave a layer without any weight.
 */
export function staticRandom(options: StaticRandomOptions): MaskStrategy {
  const { density, layout = erk() } = options;
  const name = `static(${layout.name})`;
  checkDensity(name, density);
  return {
    name,
    init({ layers, seed }) {
      const allocation = layout.allocate(layers, density);
      // All counts are checked before the first mask is touched.
      const counts = layers.map((layer) => [layer, keptIn(allocation, layer, name)] as const);
      for (const [{ name: layerName, size, mask }, kept] of counts) {
        if (kept === size) mask.fill(true);
        else mask.random(kept, streamKey(seed, `mask/${layerName}`));
      }
    },
  };
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
