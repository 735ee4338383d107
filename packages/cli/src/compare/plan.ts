import { ConfigError } from '@s2sam/core';
import * as v from 'valibot';
import { checkConfig } from '../config/check.js';
import { readPreset, readYaml } from '../config/load.js';
import { isTree, layer, parseOverrides, type Tree } from '../config/overrides.js';
import type { Config } from '../config/schema.js';
import type { OptionName } from '../sparsity/fields.js';
import { type MethodName, methodNames, methodOf, optionsOf } from '../sparsity/methods.js';

/** One training of a comparison. */
export interface Cell {
  /** Of its run folder, within that of the comparison. */
  readonly name: string;
  /** E.g. `rigl` or `mest(stages=em&s)`. */
  readonly method: string;
  /** Share removed that was asked for, of the weights or of the channels; 0 for dense. */
  readonly sparsity: number;
  /** E.g. `s2sam` or `s2sam(rho=0.1)`. */
  readonly optimizer: string;
  readonly seed: number;
  readonly config: Config;
}

/** A comparison: every method at every sparsity with every optimizer and seed. */
export interface Plan {
  readonly optimizers: readonly string[];
  readonly seeds: readonly number[];
  /** Optimizers of one method, sparsity and seed follow each other. */
  readonly cells: readonly Cell[];
}

/** Where a plan is written down; lists of the command line replace those of the file. */
export interface PlanSources {
  readonly file?: string | undefined;
  readonly preset?: string | undefined;
  readonly methods?: readonly string[] | undefined;
  readonly sparsities?: readonly number[] | undefined;
  readonly optimizers?: readonly string[] | undefined;
  readonly seeds?: readonly number[] | undefined;
  /** `--section.key=value` */
  readonly overrides?: readonly string[];
}

const fail = (message: string): never => {
  throw new ConfigError(`compare: ${message}`, { op: 'compare' });
};

const listOf = <T>(accept: (item: unknown) => boolean, allowed: string) =>
  v.exactOptional(v.custom<T[]>((value) => Array.isArray(value) && value.length > 0 && value.every(accept), allowed));

const nameOr = (key: string) => (item: unknown) =>
  typeof item === 'string' || (isTree(item) && typeof item[key] === 'string');

/** What a file may hold beside the sections of a configuration. */
const lists = v.object({
  preset: v.exactOptional(v.string('preset must be a name')),
  methods: listOf<string | Tree>(
    nameOr('method'),
    'methods must be a list of names, or of {method: name, option: value}',
  ),
  sparsities: listOf<number>(
    (item) => typeof item === 'number',
    'sparsities must be a list of shares such as [0.9, 0.95]',
  ),
  optimizers: listOf<string | Tree>(
    nameOr('name'),
    'optimizers must be a list of names, or of {name: name, key: value}',
  ),
  seeds: listOf<number>(
    (item) => Number.isInteger(item) && Number(item) >= 0,
    'seeds must be a list of whole numbers >= 0',
  ),
});

/** A variant as the table names it: `name` or `name(key=value, ...)`. */
function labelOf(name: string, rest: Tree): string {
  const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  const options = Object.entries(rest).map(([key, value]) => `${key}=${text(value)}`);
  return options.length === 0 ? name : `${name}(${options.join(', ')})`;
}

interface Variant {
  readonly label: string;
  readonly name: string;
  readonly rest: Tree;
}

function variants(given: readonly (string | Tree)[], key: string): Variant[] {
  const all = given.map((item): Variant => {
    const { [key]: name, ...rest } = typeof item === 'string' ? { [key]: item } : item;
    return { name: String(name), rest, label: labelOf(String(name), rest) };
  });
  const twice = all.find(({ label }, index) => all.findIndex((other) => other.label === label) !== index);
  if (twice !== undefined) fail(`${twice.label} is listed twice`);
  return all;
}

/** Options of the section `sparsity` that hold for every method: those that this one takes. */
function sharedOptions(method: MethodName, section: unknown): Tree {
  const known = optionsOf(method);
  const { layouts } = methodOf(method);
  const takes = ([key, value]: [string, unknown]): boolean =>
    known.includes(key as OptionName) && (key !== 'layout' || (layouts as readonly unknown[]).includes(value));
  return Object.fromEntries(Object.entries(isTree(section) ? section : {}).filter(takes));
}

function sparsitySection({ name, rest }: Variant, sparsity: number, base: Tree): Tree {
  if (name === 'dense') return { method: 'dense' };
  const method = methodNames.find((known) => known === name);
  if (method === undefined) return fail(`unknown method ${name}; methods: dense, ${methodNames.join(', ')}`);
  const amount = methodOf(method).amount === 'density' ? { sparsity } : { channelSparsity: sparsity };
  return { ...sharedOptions(method, base.sparsity), ...rest, method, ...amount };
}

const slug = (text: string): string => text.replace(/[^\w.=]+/g, '_').replace(/_+$/, '');

/** Reads and checks a whole comparison, so that no cell fails for its settings after hours. Throws ConfigError and IoError. */
export function makePlan(sources: PlanSources): Plan {
  const file = sources.file === undefined ? {} : readYaml(sources.file);
  const parsed = v.safeParse(lists, file);
  if (!parsed.success) return fail(parsed.issues.map(({ message }) => message).join('; '));
  const { preset: _, methods: __, sparsities: ___, optimizers: ____, seeds: _____, ...sections } = file;
  const preset = sources.preset ?? parsed.output.preset;
  const base = [
    preset === undefined ? {} : readPreset(preset),
    sections,
    parseOverrides(sources.overrides ?? []),
  ].reduce(layer, {});
  const methods = variants(
    sources.methods ?? parsed.output.methods ?? fail('no methods; e.g. --methods static,rigl'),
    'method',
  );
  const optimizers = variants(sources.optimizers ?? parsed.output.optimizers ?? ['sgd', 's2sam'], 'name');
  const seeds = sources.seeds ?? parsed.output.seeds ?? [0, 1, 2];
  if (new Set(seeds).size < seeds.length) fail(`seeds ${seeds.join(', ')} name one twice`);
  const sparsities = sources.sparsities ?? parsed.output.sparsities ?? [];
  const rows = methods.flatMap((method) =>
    (method.name === 'dense' ? [0] : sparsities).map((sparsity) => ({ method, sparsity })),
  );
  if (rows.length === 0) fail('no sparsities; e.g. --sparsities 0.9,0.95');
  const cells = rows.flatMap(({ method, sparsity }) =>
    seeds.flatMap((seed) => optimizers.map((optimizer) => cellOf({ method, sparsity, optimizer, seed }, base))),
  );
  return { optimizers: optimizers.map(({ label }) => label), seeds, cells };
}

interface Choice {
  readonly method: Variant;
  readonly sparsity: number;
  readonly optimizer: Variant;
  readonly seed: number;
}

function cellOf({ method, sparsity, optimizer, seed }: Choice, base: Tree): Cell {
  const { sparsity: _, ...rest } = base;
  const tree = layer(rest, {
    train: { seed },
    optimizer: { ...optimizer.rest, name: optimizer.name },
    sparsity: sparsitySection(method, sparsity, base),
  });
  const config = checkConfig(tree);
  if (config.train.timeBudget !== undefined) {
    fail('train.timeBudget would give every cell another length; give train.epochs or train.steps');
  }
  const name = [method.label, ...(method.name === 'dense' ? [] : [sparsity]), optimizer.label, `seed${seed}`];
  return {
    name: name.map((part) => slug(String(part))).join('-'),
    method: method.label,
    sparsity,
    optimizer: optimizer.label,
    seed,
    config,
  };
}
