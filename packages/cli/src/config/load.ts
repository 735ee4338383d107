import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConfigError, ioError } from '@s2sam/core';
import { parse, stringify } from 'yaml';
import { checkConfig } from './check.js';
import { imagenetPresets } from './imagenetPresets.js';
import { nearest } from './keys.js';
import { isTree, layer, parseOverrides, type Tree } from './overrides.js';
import { tablePresets } from './presets.js';
import type { Config } from './schema.js';

const presetFolder = fileURLToPath(new URL('../../presets/', import.meta.url));

const tables = [...tablePresets, ...imagenetPresets];

/** Presets that are files, then those of the tables. */
export const presetNames = (): string[] => [...presetFiles(), ...tables.map(({ name }) => name)];

const presetFiles = (): string[] =>
  readdirSync(presetFolder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();

const presetPath = (name: string): string => `${presetFolder}${name}.yaml`;

/** One line on a preset. */
export function aboutPreset(name: string): string {
  const found = tables.find((preset) => preset.name === name);
  return found?.about ?? /^# (.*)/.exec(readFileSync(presetPath(name), 'utf8'))?.[1] ?? '';
}

/** Throws IoError when the file cannot be read and ConfigError when it is no YAML mapping. */
export function readYaml(path: string): Tree {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (cause) {
    throw ioError('config', path, cause);
  }
  return parseYaml(source, path);
}

/** `where` names the source in errors. */
export function parseYaml(source: string, where: string): Tree {
  let tree: unknown;
  try {
    tree = parse(source);
  } catch (cause) {
    throw new ConfigError(`${where}: not valid YAML: ${(cause as Error).message}`, { op: 'config', cause });
  }
  if (!isTree(tree))
    throw new ConfigError(`${where}: expected sections such as 'train:' at the top level`, { op: 'config' });
  return tree;
}

export function readPreset(name: string): Tree {
  const found = tables.find((preset) => preset.name === name);
  if (found !== undefined) return found.config;
  if (!presetFiles().includes(name)) {
    const close = nearest(name, presetNames());
    const hint = close === undefined ? '' : `did you mean ${close}? `;
    throw new ConfigError(`unknown preset ${name}; ${hint}'s2sam presets' lists all`, { op: 'config' });
  }
  return readYaml(presetPath(name));
}

export interface ConfigSources {
  readonly preset?: string | undefined;
  readonly file?: string | undefined;
  /** Dotted settings of the command line, which win. */
  readonly overrides?: readonly string[];
}

/** Defaults, then the preset, then the file, then the overrides. Throws ConfigError and IoError. */
export function loadConfig({ preset, file, overrides = [] }: ConfigSources): Config {
  const layers = [
    ...(preset === undefined ? [] : [readPreset(preset)]),
    ...(file === undefined ? [] : [readYaml(file)]),
    parseOverrides(overrides),
  ];
  return checkConfig(layers.reduce(layer, {}));
}

/** A saved configuration with some settings changed; `allowed` lists the keys (or sections) that may change. */
export function changeConfig(
  saved: Tree,
  overrides: readonly string[],
  allowed: readonly string[],
  why: string,
): Config {
  const changes = parseOverrides(overrides);
  for (const [section, value] of Object.entries(changes)) {
    for (const key of isTree(value) ? Object.keys(value) : ['']) {
      const path = key === '' ? section : `${section}.${key}`;
      if (allowed.includes(section) || allowed.includes(path)) continue;
      throw new ConfigError(`${path} cannot be changed: ${why}; allowed: ${allowed.join(', ')}`, { op: 'config' });
    }
  }
  return checkConfig(layer(saved, changes));
}

/** YAML from which `loadConfig` reads the same configuration. */
export const configToYaml = (config: Config): string => stringify(config);
