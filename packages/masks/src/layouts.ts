import { type Allocation, ConfigError, type Layout } from '@s2sam/core';
import { checkDensity } from './checks.js';
import { keptOf, sum, weightsOf } from './counts.js';
import { type LayerRule, type LayerShape, rules } from './rules.js';

/** Density a layout gives to a layer. */
type Densities = ReadonlyMap<LayerShape, number>;

function makeLayout(
  kind: string,
  dense: LayerRule,
  densities: (layers: readonly LayerShape[], density: number, dense: ReadonlySet<string>) => Densities,
): Layout {
  const name = dense === rules.none ? kind : `${kind}(${dense.name})`;
  return {
    name,
    allocate(layers, density): Allocation {
      checkDensity(name, density);
      const perLayer = densities(layers, density, dense.denseLayers(layers));
      return new Map(layers.map((layer) => [layer.name, keptOf(layer.size, perLayer.get(layer) as number)]));
    },
  };
}

export interface UniformOptions {
  /** Layers that stay dense, on top of the density asked for: the others are not made sparser for them. Default `rules.none`. */
  readonly dense?: LayerRule;
}

/**
 * The same density in every layer. A sparse layer of N weights keeps N - floor((1 - density) * N). `allocate` throws ConfigError
 * for a density outside (0, 1].
 */
export function uniform(options: UniformOptions = {}): Layout {
  return makeLayout('uniform', options.dense ?? rules.none, (layers, density, dense) => {
    return new Map(layers.map((layer) => [layer, dense.has(layer.name) ? 1 : density]));
  });
}

export interface ErdosRenyiOptions {
  /** Exponent on the raw density of a layer; 0 is uniform. Default 1. */
  readonly powerScale?: number;
  /** Layers that stay dense, paid for by the others: the total stays as asked. Default `rules.none`. */
  readonly dense?: LayerRule;
}

/**
 * Erdos-Renyi (Mocanu et al. 2018): density of a layer proportional to (in + out) / (in * out), kernel size left out. The rest is
 * as in `erk`.
 */
export const er = (options: ErdosRenyiOptions = {}): Layout => erdosRenyi('er', (shape) => shape.slice(0, 2), options);

/**
 * Erdos-Renyi-Kernel (Evci et al. 2020, section 3): density of a layer proportional to (in + out + kH + kW) / (in * out * kH * kW),
 * for a linear layer (in + out) / (in * out), scaled so that the total is met. While a layer would pass 1, the layers of the largest
 * raw density become dense and the rest is scaled again.
 *
 * A layer of density d and N weights keeps N - floor((1 - d) * N), so the total kept is at least density * all weights and exceeds
 * it by less than one weight per sparse layer. `allocate` throws ConfigError for a density outside (0, 1] and where the layers
 * forced dense leave nothing for the others.
 */
export const erk = (options: ErdosRenyiOptions = {}): Layout => erdosRenyi('erk', (shape) => shape, options);

function erdosRenyi(
  kind: string,
  extents: (shape: readonly number[]) => readonly number[],
  options: ErdosRenyiOptions,
): Layout {
  const { powerScale = 1, dense = rules.none } = options;
  if (!Number.isFinite(powerScale) || powerScale < 0) {
    throw new ConfigError(`${kind}: powerScale is ${powerScale}; it must be a finite number >= 0`, { op: kind });
  }
  const rawDensity = ({ shape }: LayerShape): number => {
    const counted = extents(shape);
    return (sum(counted) / counted.reduce((product, extent) => product * extent, 1)) ** powerScale;
  };
  return makeLayout(kind, dense, (layers, density, denseNames) => {
    const forced = layers.filter(({ name }) => denseNames.has(name));
    const sparse = layers.filter(({ name }) => !denseNames.has(name));
    checkBudget(kind, layers, forced, density);
    return new Map([
      ...forced.map((layer) => [layer, 1] as const),
      ...scaleToBudget(sparse, density * weightsOf(layers) - weightsOf(forced), rawDensity),
    ]);
  });
}

/** Densities proportional to `rawDensity`, at most 1, that spend `budget` weights on these layers. */
function scaleToBudget(
  layers: readonly LayerShape[],
  budget: number,
  rawDensity: (layer: LayerShape) => number,
): Densities {
  const raw = new Map(layers.map((layer) => [layer, rawDensity(layer)]));
  const densities = new Map<LayerShape, number>();
  while (raw.size > 0) {
    const scale = budget / sum([...raw].map(([{ size }, value]) => value * size));
    const largest = Math.max(...raw.values());
    const fits = scale * largest <= 1;
    // Ties move together: equal shapes, in whatever order of extents, have exactly equal raw densities.
    for (const [layer, value] of raw) {
      if (!fits && value < largest) continue;
      densities.set(layer, fits ? scale * value : 1);
      raw.delete(layer);
      if (!fits) budget -= layer.size;
    }
  }
  return densities;
}

function checkBudget(
  kind: string,
  layers: readonly LayerShape[],
  forced: readonly LayerShape[],
  density: number,
): void {
  const total = weightsOf(layers);
  const left = density * total - weightsOf(forced);
  if (left > 0 || (forced.length === layers.length && density === 1)) return;
  throw new ConfigError(
    `${kind}: density ${density} of ${total} weights is ${Math.floor(density * total)}, but the layers forced dense ` +
      `(${forced.map(({ name }) => name).join(', ')}) already hold ${weightsOf(forced)}; ` +
      `raise the density above ${(weightsOf(forced) / total).toPrecision(4)} or leave fewer layers dense`,
    { op: kind },
  );
}
