import { ConfigError } from '@s2sam/core';
import { stringify } from 'yaml';
import { aboutPreset, presetNames, readPreset } from '../config/load.js';
import { textTable } from '../report/table.js';
import type { Output } from '../run/output.js';

/** `s2sam presets`: the presets whose name contains all the given words; of a single one its settings too. Returns the exit code. */
export function presetsCommand(words: readonly string[], options: { readonly json?: boolean }, output: Output): number {
  const found = presetNames().filter((name) => name === words[0] || words.every((word) => name.includes(word)));
  if (found.length === 0) {
    throw new ConfigError(`presets: none has ${words.join(' and ')} in its name; s2sam presets lists all`, {
      op: 'presets',
    });
  }
  if (options.json === true) {
    output.print(JSON.stringify(Object.fromEntries(found.map((name) => [name, readPreset(name)]))));
    return 0;
  }
  const rows = found.map((name) => [name, aboutPreset(name)]);
  for (const line of textTable({ title: '', head: ['preset', 'what'], rows })) output.print(line);
  const [only] = found;
  if (found.length === 1 && only !== undefined) output.print(`\n${stringify(readPreset(only)).trimEnd()}`);
  return 0;
}
