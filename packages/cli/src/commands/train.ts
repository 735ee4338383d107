import { seconds } from '../config/fields.js';
import { loadConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { clock } from '../consumers/lines.js';
import { checkWritable, newRunDir, RunFolder } from '../run/folder.js';
import { INTERRUPTED, Interrupt, unlessAborted } from '../run/interrupt.js';
import type { Output } from '../run/output.js';
import { bytesNeeded, runTraining } from '../run/training.js';
import { measureSpeed, stepsFor } from '../setup/budget.js';
import { settleData } from '../setup/data.js';
import { openSession, parameterCount, type Session, startingModel } from '../setup/session.js';
import { rounds } from '../setup/trainOptions.js';
import { conclude, type SummaryFormat } from './conclude.js';

export interface TrainCommand {
  readonly preset?: string;
  readonly config?: string;
  readonly summary?: SummaryFormat;
}

/** What runs when neither a preset nor a file is named. */
export const DEFAULT_PRESET = 'quickstart';

/** `s2sam train`: a new run in a folder of its own. Resolves with the exit code. */
export async function trainCommand(
  options: TrainCommand,
  overrides: readonly string[],
  output: Output,
): Promise<number> {
  const preset = options.preset ?? (options.config === undefined ? DEFAULT_PRESET : undefined);
  const asked = loadConfig({ preset, file: options.config, overrides });
  // Before a download of minutes, not after it.
  checkWritable(asked.output.dir ?? 'runs');
  using interrupt = new Interrupt();
  const { signal } = interrupt;
  const opened = await unlessAborted(signal, openSession(asked, output.print, signal));
  if (opened === undefined) return interruptedEarly(output);
  await using session = opened;
  using model = await startingModel(asked, session);
  const dir = asked.output.dir ?? newRunDir(asked, session.dataset.name, new Date());
  const folder = RunFolder.create(dir, bytesNeeded(parameterCount(model)));
  const known: Config = { ...asked, data: settleData(asked.data, session.dataset) };
  const settled = await settleLength(known, session, output, signal);
  if (settled === undefined) {
    folder.removeIfEmpty();
    return interruptedEarly(output);
  }
  const { config, notes } = settled;
  folder.writeConfig(config, [...(preset === undefined ? [] : [`preset ${preset}`]), ...notes]);
  output.print(`run       ${folder.dir}`);
  const summary = await runTraining({ config, session, model, folder, output, signal });
  return conclude(summary, folder, options.summary, output);
}

function interruptedEarly(output: Output): number {
  output.print('interrupted before training began; nothing was saved');
  return INTERRUPTED;
}

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
  const repeated = rounds(config);
  const steps = Math.max(1, Math.floor(stepsFor(budget, sample) / repeated));
  const note = `${steps} steps${repeated > 1 ? ` in each of ${repeated} rounds` : ''} from a budget of ${clock(budget)} at ${(1000 * sample.secondsPerStep).toFixed(1)} ms per step`;
  output.print(`budget    ${note}`);
  return { config: { ...config, train: { ...rest, steps } }, notes: [note] };
}
