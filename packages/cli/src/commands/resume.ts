import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError, IoError, readCheckpoint } from '@s2sam/core';
import { changeConfig, parseYaml, readYaml } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { RunFolder } from '../run/folder.js';
import { INTERRUPTED, Interrupt, unlessAborted } from '../run/interrupt.js';
import type { Output } from '../run/output.js';
import { bytesNeeded, runTraining } from '../run/training.js';
import { newModel, openSession, parameterCount } from '../setup/session.js';
import { rounds, totalSteps } from '../setup/trainOptions.js';
import { conclude, type SummaryFormat } from './conclude.js';

/** What may differ from the first start: the length, places and devices, but nothing the numbers depend on. */
const MAY_CHANGE = [
  'train.epochs',
  'train.steps',
  'data.root',
  'data.download',
  'data.workers',
  'device',
  'output.logEvery',
  'output.checkpointEvery',
  'output.checkpointSteps',
];

/** The folder and the checkpoint a path means: a run folder stands for its last checkpoint. */
function locate(path: string): { folder: RunFolder; checkpoint: string } {
  if (!existsSync(path))
    throw new IoError(`resume: ${path} does not exist; give a run folder or a checkpoint`, { op: 'resume' });
  if (!statSync(path).isDirectory()) return { folder: new RunFolder(dirname(path)), checkpoint: path };
  const folder = new RunFolder(path);
  if (existsSync(folder.last)) return { folder, checkpoint: folder.last };
  throw new IoError(
    `resume: ${path} holds no last.safetensors; the run ended before its first checkpoint, train again`,
    {
      op: 'resume',
    },
  );
}

/** `s2sam resume`: goes on where a checkpoint was written, in the same folder. Resolves with the exit code. */
export async function resumeCommand(
  path: string,
  options: { readonly summary?: SummaryFormat },
  overrides: readonly string[],
  output: Output,
): Promise<number> {
  const { folder, checkpoint: file } = locate(path);
  const checkpoint = await readCheckpoint(file);
  const saved = existsSync(folder.config) ? readYaml(folder.config) : parseYaml(checkpoint.extra.config ?? '', file);
  const config = changeConfig(saved, overrides, MAY_CHANGE, 'a resumed run keeps what its numbers depend on');
  using interrupt = new Interrupt();
  const { signal } = interrupt;
  const opened = await unlessAborted(signal, openSession(config, output.print, signal));
  if (opened === undefined) return INTERRUPTED;
  await using session = opened;
  const done = checkpoint.position.step;
  const total = totalSteps(config, session.dataset);
  if (done >= total) throw finished(path, done, config);
  if (rounds(config) > 1 && total !== checkpoint.position.totalSteps) {
    throw new ConfigError(
      `resume: ${path} trains in rounds of equal length, ${checkpoint.position.totalSteps} steps in all; with ${total} its ` +
        'rounds would not fit; leave train.epochs and train.steps as they are',
      { op: 'resume' },
    );
  }
  using model = newModel(config, session);
  folder.prepare(bytesNeeded(parameterCount(model)));
  if (overrides.length > 0) folder.writeConfig(config, [`changed at step ${done}: ${overrides.join(' ')}`]);
  output.print(`run       ${folder.dir}, going on at step ${done} of ${total}`);
  const request = { config, session, model, folder, output, signal, resume: checkpoint };
  return conclude(await runTraining(request), folder, options.summary, output);
}

function finished(path: string, done: number, { train }: Config): ConfigError {
  const longer =
    train.steps === undefined
      ? `--train.epochs=${Math.ceil((train.epochs ?? 0) * 1.5)}`
      : `--train.steps=${2 * train.steps}`;
  return new ConfigError(`resume: ${path} has done all of its ${done} steps; make it longer to go on, e.g. ${longer}`, {
    op: 'resume',
  });
}
