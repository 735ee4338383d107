import { existsSync, readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { ConfigError, readCheckpoint } from '@s2sam/core';
import { checkConfig } from '../config/check.js';
import { readYaml } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { RunFolder } from '../run/folder.js';
import type { Output } from '../run/output.js';
import type { Summary } from '../run/summary.js';
import { bytesNeeded, runTraining } from '../run/training.js';
import { newModel, parameterCount, type Session, startingModel } from '../setup/session.js';

/** How far a cell is. */
export type State = 'new' | 'begun' | 'finished';

/** What a comparison needs of a finished run. */
export interface Finished {
  readonly summary: Summary;
  /** Checksum of the masks that training began with. */
  readonly firstMasks: string;
}

function summaryOf(folder: RunFolder): Summary | undefined {
  if (!existsSync(folder.summary)) return undefined;
  const summary = JSON.parse(readFileSync(folder.summary, 'utf8')) as Summary;
  return summary.reason === 'finished' ? summary : undefined;
}

/** Whether a cell's run folder holds a finished training, one to go on with, or none. */
export function stateOf(folder: RunFolder): State {
  if (summaryOf(folder) !== undefined) return 'finished';
  return existsSync(folder.last) ? 'begun' : 'new';
}

/** Undefined unless the cell's training is finished. */
export function resultOf(folder: RunFolder): Finished | undefined {
  const summary = summaryOf(folder);
  if (summary === undefined) return undefined;
  const [first = ''] = readFileSync(folder.metrics, 'utf8').split('\n', 1);
  return { summary, firstMasks: (JSON.parse(first) as { checksum: string }).checksum };
}

/** Not what the numbers of a run depend on: where its data lies, how it is logged, on which device it ran. */
const INCIDENTAL = /^(data\.(root|download|fallback)|device\..*|output\..*)$/;

/** The settings that the numbers of a run depend on, by dotted key. */
function essence(config: Config): Map<string, unknown> {
  const settings = Object.entries(config).flatMap(([section, keys]) =>
    Object.entries(keys).map(([key, value]): [string, unknown] => [`${section}.${key}`, value]),
  );
  return new Map(settings.filter(([key]) => !INCIDENTAL.test(key)));
}

/** Throws ConfigError where the folder holds a run of other settings. */
export function checkSame(folder: RunFolder, config: Config): void {
  if (!existsSync(folder.config)) return;
  const saved = essence(checkConfig(readYaml(folder.config)));
  const wanted = essence(config);
  const different = [...new Set([...saved.keys(), ...wanted.keys()])].filter(
    (key) => !isDeepStrictEqual(saved.get(key), wanted.get(key)),
  );
  if (different.length === 0) return;
  const said = different.map(
    (key) => `${key} ${JSON.stringify(saved.get(key))}, now ${JSON.stringify(wanted.get(key))}`,
  );
  throw new ConfigError(
    `compare: ${folder.dir} holds a run with ${said.join('; ')}; choose another --out or delete that folder`,
    { op: 'compare' },
  );
}

export interface CellRequest {
  readonly config: Config;
  readonly session: Session;
  readonly folder: RunFolder;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Trains a cell from its start, or from where its last checkpoint was written. Resolves with why it ended. */
export async function runCell({ config, session, folder, output, signal }: CellRequest): Promise<Summary['reason']> {
  const begun = stateOf(folder) === 'begun';
  using model = begun ? newModel(config, session) : await startingModel(config, session);
  const bytes = bytesNeeded(parameterCount(model));
  const request = { config, session, model, folder, output, signal };
  if (begun) {
    folder.prepare(bytes);
    return (await runTraining({ ...request, resume: await readCheckpoint(folder.last) })).reason;
  }
  folder.clear();
  folder.prepare(bytes);
  folder.writeConfig(config, ['a cell of a comparison']);
  return (await runTraining(request)).reason;
}
