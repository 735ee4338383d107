import type { Layout } from '@s2sam/core';
import { er, erk, type LayerRule, rules, uniform } from '@s2sam/masks';

/** Layer rules by the names of the command line. */
const ruleOf = {
  none: rules.none,
  stem: rules.stem,
  stemAndClassifier: rules.stemAndClassifier,
  stemAndShortcuts: rules.stemAndShortcuts,
  mest: rules.mest,
} as const satisfies Record<string, LayerRule>;

export type RuleName = keyof typeof ruleOf;
export const ruleNames = Object.keys(ruleOf) as readonly RuleName[];

export const layoutNames = ['uniform', 'er', 'erk'] as const;
export type LayoutName = (typeof layoutNames)[number];

/** How a density is spread over layers, in words of a configuration. */
export interface LayoutConfig {
  readonly layout: LayoutName;
  /** Rule, or names of layers, that stay dense. Default none. */
  readonly dense?: RuleName | readonly string[];
  /** Exponent of er and erk. Default 1. */
  readonly powerScale?: number;
}

/** A rule by its name, or one that names layers. */
export const makeRule = (dense: RuleName | readonly string[]): LayerRule =>
  typeof dense === 'string' ? ruleOf[dense] : rules.named(...dense);

/** Throws ConfigError for a power scale out of range. */
export function makeLayout({ layout, dense = 'none', powerScale }: LayoutConfig): Layout {
  const rule = makeRule(dense);
  if (layout === 'uniform') return uniform({ dense: rule });
  return (layout === 'er' ? er : erk)({ dense: rule, ...(powerScale === undefined ? {} : { powerScale }) });
}
