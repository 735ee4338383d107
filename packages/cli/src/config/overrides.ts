import { ConfigError } from '@s2sam/core';
import { parse } from 'yaml';
import { methodNames, methodOf } from '../sparsity/methods.js';
import { mainKey, sections } from './keys.js';

/** A configuration before it is checked. */
export interface Tree {
  [key: string]: unknown;
}

export const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `--a.b=value` or `--a.b value`; a flag without a value means true. Values are YAML scalars or lists. */
export function parseOverrides(args: readonly string[]): Tree {
  const tree: Tree = {};
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    const [, path, inline] = /^--([A-Za-z][A-Za-z0-9.-]*)(?:=(.*))?$/s.exec(arg) ?? [];
    if (path === undefined) {
      throw new ConfigError(`unexpected argument '${arg}'; settings look like --optimizer.rho=0.1`, { op: 'config' });
    }
    const next = args[i + 1];
    const takesNext = inline === undefined && next !== undefined && !next.startsWith('--');
    if (takesNext) i += 1;
    assign(tree, path, takesNext ? scalar(next) : inline === undefined ? true : scalar(inline));
  }
  return tree;
}

function scalar(value: string): unknown {
  try {
    return value === '' ? '' : (parse(value) as unknown);
  } catch {
    return value;
  }
}

function assign(tree: Tree, path: string, value: unknown): void {
  const parts = path.split('.');
  const full =
    parts.length === 1 && sections.includes(path) && mainKey[path] !== undefined ? [path, mainKey[path]] : parts;
  let node = tree;
  for (const part of full.slice(0, -1)) {
    const child = node[part];
    const next = isTree(child) ? child : {};
    node[part] = next;
    node = next;
  }
  node[full.at(-1) as string] = value;
}

/** Keys of which a later layer's choice replaces all: a preset's time budget gives way to `--train.epochs`. */
const alternatives: Readonly<Record<string, readonly string[]>> = {
  train: ['epochs', 'steps', 'timeBudget'],
  sparsity: ['density', 'sparsity'],
};

/** `over` on top of `base`, section by section; neither is changed. */
export function layer(base: Tree, over: Tree): Tree {
  const merged: Tree = { ...base };
  for (const [section, given] of Object.entries(over)) {
    const value = expandShorthand(section, given);
    const below = merged[section];
    if (!isTree(value) || !isTree(below)) {
      merged[section] = value;
      continue;
    }
    const rivals = alternatives[section] ?? [];
    const replaced = rivals.some((key) => key in value) ? rivals : [];
    const kept = Object.entries(section === 'sparsity' ? underMethod(below, value.method) : below).filter(
      ([key]) => !replaced.includes(key),
    );
    merged[section] = { ...Object.fromEntries(kept), ...value };
  }
  return merged;
}

/** What a section `sparsity` leaves where another method is chosen over its own: the density, for a method that has one. */
function underMethod(below: Tree, method: unknown): Tree {
  if (method === undefined || method === below.method) return below;
  const hasDensity = methodNames.some((name) => name === method && methodOf(name).amount === 'density');
  const { density, sparsity } = below;
  return hasDensity
    ? { ...(density === undefined ? {} : { density }), ...(sparsity === undefined ? {} : { sparsity }) }
    : {};
}

function expandShorthand(section: string, value: unknown): unknown {
  const key = mainKey[section];
  return key !== undefined && typeof value === 'string' ? { [key]: value } : (value ?? {});
}
