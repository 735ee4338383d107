import { ConfigError, createModel, loadPretrained, modelNames, openDevice, writeImported } from '@s2sam/core';
import { configToYaml, loadConfig } from '../config/load.js';
import { grouped } from '../consumers/lines.js';
import type { Output } from '../run/output.js';
import { parameterCount } from '../setup/session.js';

/** Options of `s2sam import`, as the shell gives them. */
export interface ImportCommand {
  readonly model: string;
  readonly out: string;
  readonly classes?: number;
}

/**
 * `s2sam import`: makes a checkpoint of weights that another program trained. `overrides` are settings that `s2sam eval` of it starts
 * with, such as those of the data. Resolves with the exit code.
 */
export async function importCommand(
  file: string,
  { model: name, out, classes }: ImportCommand,
  overrides: readonly string[],
  output: Output,
): Promise<number> {
  if (!(modelNames as readonly string[]).includes(name)) {
    throw new ConfigError(`import: unknown model ${name}; models: ${modelNames.join(', ')}`, { op: 'import' });
  }
  // A checkpoint names its network; it has no length of its own.
  const config = loadConfig({ overrides: ['--train.epochs=1', ...overrides, `--model.name=${name}`] });
  await using device = await openDevice('cpu', { threads: 1 });
  using model = createModel(name, { device, ...(classes === undefined ? {} : { classes }) });
  const { loaded, prefix } = await loadPretrained(model, file);
  await writeImported(out, model, config.data.name, { config: configToYaml(config), imported: file });
  const without = prefix === '' ? '' : `, names without '${prefix}'`;
  output.print(
    `${out}: ${name} with ${model.classes} classes, ${grouped(parameterCount(model))} parameters in ${loaded} tensors${without}`,
  );
  return 0;
}
