import type { MaskStrategy } from '@s2sam/core';
import { er, erk, staticRandom, uniform } from '@s2sam/masks';
import type { Config } from '../config/schema.js';

const layouts = { uniform, er, erk } as const;

/** The mask strategy a configuration describes; undefined for dense training. */
export function makeSparsity({ method, layout, density }: Config['sparsity']): MaskStrategy | undefined {
  return method === 'dense' ? undefined : staticRandom({ density, layout: layouts[layout]() });
}
