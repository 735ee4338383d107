import { ConfigError, type LayerRole, type SparseLayer } from '@s2sam/core';
import { nearest } from './nearest.js';

/** What layouts and rules look at in a layer. */
export type LayerShape = Pick<SparseLayer, 'name' | 'shape' | 'size' | 'kind' | 'role'>;

/** Which layers stay dense; a value to give to a layout. */
export interface LayerRule {
  /** For logs, e.g. `mest`. */
  readonly name: string;
  /** Names of the layers that stay dense. Throws ConfigError. */
  denseLayers(layers: readonly LayerShape[]): ReadonlySet<string>;
}

const byRole = (name: string, ...roles: readonly LayerRole[]): LayerRule => ({
  name,
  denseLayers: (layers) => new Set(layers.filter(({ role }) => roles.includes(role)).map((layer) => layer.name)),
});

function byName(...names: readonly string[]): LayerRule {
  return {
    name: 'named',
    denseLayers: (layers) => {
      const known = layers.map(({ name }) => name);
      for (const name of names) {
        if (known.includes(name)) continue;
        const meant = nearest(name, known);
        const hint = meant === undefined ? 'the model has no sparse layers' : `did you mean '${meant}'?`;
        throw new ConfigError(`rules.named: no sparse layer is called '${name}'; ${hint}`, { op: 'rules.named' });
      }
      return new Set(names);
    },
  };
}

/**
 * The layer rules of the literature. Batch norm and biases are never masked. "90 % sparsity" means different things under
 * different rules: dense layers of `uniform` come on top of the density asked for, those of `er` and `erk` are paid by the others.
 */
export const rules = {
  /** Every convolution and linear layer is sparse: GraSP, SNIP, lottery ticket, RigL with ERK, ITOP, Chase. */
  none: byRole('none'),
  /** First convolution dense: RigL uniform. */
  stem: byRole('stem', 'stem'),
  /** First convolution and classifier dense: rigl-torch. */
  stemAndClassifier: byRole('stemAndClassifier', 'stem', 'classifier'),
  /** First convolution and projection shortcuts dense: DSR on ImageNet. */
  stemAndShortcuts: byRole('stemAndShortcuts', 'stem', 'shortcut'),
  /** First convolution, projection shortcuts and classifier dense: MEST, S2-SAM, DSR on CIFAR. */
  mest: byRole('mest', 'stem', 'shortcut', 'classifier'),
  /** The layers of these names dense; allocation throws ConfigError for a name the model does not have. */
  named: byName,
} as const;
