import type { Layout, MaskStrategy } from '@s2sam/core';
import { checkDensity } from './checks.js';
import { countsOf, drawMasks } from './counts.js';
import { erk } from './layouts.js';

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
    // All counts are checked before the first mask is touched.
    init: ({ layers, seed }) => drawMasks(countsOf(name, layout, layers, density), seed),
  };
}
