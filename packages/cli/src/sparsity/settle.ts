import { ConfigError, type MaskStrategy } from '@s2sam/core';
import { nearest } from '../config/keys.js';
import { type OptionName, optionNames, type StrategyOptions } from './fields.js';
import { type MethodName, methodNames, methodOf, optionsOf } from './methods.js';

/** The section `sparsity` as it is given. */
export interface SparsitySection extends StrategyOptions {
  readonly method?: MethodName | 'dense';
  readonly density?: number;
  readonly sparsity?: number;
}

/** The same, checked: the options are those of the method, and its layout is named where it has a choice. */
export interface SparsityConfig extends StrategyOptions {
  readonly method: MethodName | 'dense';
  /** Kept share of the maskable weights that was asked for; 1 for dense; undefined where channels are counted. */
  readonly density?: number;
}

const fail = (message: string): never => {
  throw new ConfigError(message, { op: 'config' });
};

function densityOf({ density, sparsity }: SparsitySection): number | undefined {
  if (density !== undefined && sparsity !== undefined) {
    fail(`sparsity.density is ${density} and sparsity.sparsity is ${sparsity}; give one of the two`);
  }
  // 1 - 0.9 is 0.09999999999999998: round to what was meant.
  return density ?? (sparsity === undefined ? undefined : Number((1 - sparsity).toFixed(12)));
}

/**
 * The method and its options as the user meant them. Throws ConfigError for options that the method does not have, naming those it
 * has, for values it does not take, and where nothing says how sparse.
 */
export function settleSparsity(given: SparsitySection): SparsityConfig {
  const density = densityOf(given);
  const method = given.method ?? (density === undefined ? 'dense' : 'static');
  const options = Object.fromEntries(
    optionNames.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])),
  ) as StrategyOptions;
  if (method === 'dense') return settleDense(density, Object.keys(options));
  checkOptions(method, Object.keys(options) as OptionName[]);
  checkAmount(method, density, options);
  const layout = settleLayout(method, options);
  const config: SparsityConfig = { method, ...(density === undefined ? {} : { density }), ...layout, ...options };
  makeStrategy(config);
  return config;
}

function settleDense(density: number | undefined, options: readonly string[]): SparsityConfig {
  if (density !== undefined && density < 1) {
    fail(
      `sparsity.method is dense but the density is ${density}; choose one of ${methodNames.join(', ')} or leave the density out`,
    );
  }
  const [option] = options;
  if (option !== undefined) {
    fail(`sparsity.${option} is given but sparsity.method is dense; choose one of ${methodNames.join(', ')}`);
  }
  return { method: 'dense', density: 1 };
}

function checkOptions(method: MethodName, given: readonly OptionName[]): void {
  const known = optionsOf(method);
  const wrong = given.find((name) => !known.includes(name));
  if (wrong === undefined) return;
  const close = nearest(wrong, known);
  const hint = close === undefined ? '' : `did you mean ${close}? `;
  fail(`sparsity.${wrong} is no option of sparsity.method ${method}; ${hint}Options: ${known.join(', ')}`);
}

function checkAmount(method: MethodName, density: number | undefined, { channelSparsity }: StrategyOptions): void {
  const { amount, options } = methodOf(method);
  if (amount === 'density' && density === undefined) {
    fail(`sparsity.density is missing; sparsity.method ${method} needs one, e.g. 0.1`);
  }
  if (amount === 'channelSparsity' && density !== undefined) {
    fail(
      `sparsity.density is ${density}, but sparsity.method ${method} counts channels; give sparsity.channelSparsity`,
    );
  }
  if (options.includes('channelSparsity') && channelSparsity === undefined) {
    fail(`sparsity.channelSparsity is missing; sparsity.method ${method} needs one, e.g. 0.3`);
  }
}

function settleLayout(method: MethodName, { layout }: StrategyOptions): Pick<StrategyOptions, 'layout'> {
  const { layouts } = methodOf(method);
  const [usual] = layouts;
  if (usual === undefined) return {};
  if (layout !== undefined && !layouts.includes(layout)) {
    fail(`sparsity.layout is ${layout}, but sparsity.method ${method} takes ${layouts.join(', ')}`);
  }
  return { layout: layout ?? usual };
}

/** The mask strategy a configuration describes; undefined for dense training. One value serves one training. */
export function makeStrategy({ method, density = 1, ...options }: SparsityConfig): MaskStrategy | undefined {
  return method === 'dense' ? undefined : methodOf(method).make({ density, ...options });
}
