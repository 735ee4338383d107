import { ioError } from '@s2sam/core';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seconds } from '../config/fields.js';
import { loadConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { clock } from '../consumers/lines.js';
import { defaultRunDir, RunFolder } from '../run/folder.js';
import { INTERRUPTED, Interrupt } from '../run/interrupt.js';
import type { Output } from '../run/output.js';
import { bytesNeeded, runTraining } from '../run/training.js';
import { measureSpeed, stepsFor } from '../setup/budget.js';
import { newModel, openSession, type Session } from '../setup/session.js';
import { conclude, type SummaryFormat } from './conclude.js';

export interface TrainCommand {
  readonly preset?: string;
  readonly config?: string;
  readonly summary?: SummaryFormat;
}

/** What runs when neither a preset nor a file is named. */
export const DEFAULT_PRESET = 'quickstart';

/** `s2sam train`: a new run in a folder of its own. Resolves with the exit code. */
export async function trainCommand(options: TrainCommand, overrides: readonly string[], output: Output): Promise<number> {
  const preset = options.preset ?? (options.config === undefined ? DEFAULT_PRESET : undefined);
  const asked = loadConfig({ preset, file: options.config, overrides });
  ensureWritableSoon(asked.output.dir ?? 'runs');
  using interrupt = new Interrupt();
  await using session = await openSession(asked, output.print, interrupt.signal);
  using model = newModel(asked, session);
  const dir = asked.output.dir ?? defaultRunDir(asked, session.dataset.name, new Date());
  const folder = RunFolder.create(dir, bytesNeeded(parameterCount(model)));
  const settled = await settleLength(asked, session, output, interrupt.signal);
  if (settled === undefined) {
    output.print('interrupted before training began; nothing was saved');
    return INTERRUPTED;
  }
  const { config, notes } = settled;
  folder.writeConfig(config, [...(preset === undefined ? [] : [`preset ${preset}`]), ...notes]);
  output.print(`run       ${folder.dir}`);
  const summary = await runTraining({ config, session, model, folder, output, signal: interrupt.signal });
  return conclude(summary, folder, options.summary, output);
}

/** Finds out before any download that nothing can be written. Throws IoError. */
function ensureWritableSoon(dir: string): void {
  const probe = join(dir, `.probe-${process.pid}`);
  try {
    mkdirSync(dir, { recursive: true });
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (cause) {
    throw ioError('output.dir', dir, cause);
  }
}

const parameterCount = (model: ReturnType<typeof newModel>): number =>
  [...model.parameters()].reduce((sum, parameter) => sum + parameter.size, 0);

/** Turns a time budget into steps, so that the saved configuration names them and resuming stays exact. */
async function settleLength(
  config: Config,
  session: Session,
  output: Output,
  signal: AbortSignal,
): Promise<{ config: Config; notes: string[] } | undefined> {
  const { timeBudget, ...rest } = config.train;
  const budget = seconds(timeBudget);
  if (budget === undefined) return { config, notes: [] };
  output.print(`budget    ${clock(budget)} of training: measuring the speed ...`);
  const sample = await measureSpeed(config, session, budget, signal);
  if (sample === undefined) return undefined;
  const steps = stepsFor(budget, sample);
  const note = `${steps} steps from a budget of ${clock(budget)} at ${(1000 * sample.secondsPerStep).toFixed(1)} ms per step`;
  output.print(`budget    ${note}`);
  return { config: { ...config, train: { ...rest, steps } }, notes: [note] };
}
