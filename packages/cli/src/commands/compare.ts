import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ioError, NonFiniteError } from '@s2sam/core';
import { checkSame, resultOf, runCell, stateOf } from '../compare/cell.js';
import { asHtml, asMarkdown, asText, type Findings } from '../compare/page.js';
import { type Cell, makePlan, type Plan, type PlanSources } from '../compare/plan.js';
import { comparisons, type Outcome, remarks, tables } from '../compare/tables.js';
import { exitCodes } from '../errors.js';
import { readAssets } from '../report/assets.js';
import { checkWritable, RunFolder } from '../run/folder.js';
import { INTERRUPTED, Interrupt, unlessAborted } from '../run/interrupt.js';
import type { Output } from '../run/output.js';
import { settleData } from '../setup/data.js';
import { openSession, type Session } from '../setup/session.js';

export interface CompareCommand extends Omit<PlanSources, 'file' | 'overrides'> {
  /** Folder of the comparison. */
  readonly out: string;
  readonly format: 'text' | 'markdown' | 'html';
  /** Only say which cells there are and how far they got. */
  readonly list?: boolean;
}

interface Place {
  readonly cell: Cell;
  readonly folder: RunFolder;
}

const FILES = { text: 'comparison.txt', markdown: 'comparison.md', html: 'comparison.html' } as const;

/**
 * `s2sam compare`: trains every cell that is not finished, one after the other, and tells what came of all. Called again it goes on
 * where it ended. Resolves with the exit code: 1 when a cell diverged.
 */
export async function compareCommand(
  file: string | undefined,
  options: CompareCommand,
  overrides: readonly string[],
  output: Output,
): Promise<number> {
  const plan = makePlan({ ...options, file, overrides });
  const places = plan.cells.map((cell) => ({ cell, folder: new RunFolder(join(options.out, cell.name)) }));
  if (options.list === true) return list(places, output);
  checkWritable(options.out);
  using interrupt = new Interrupt();
  const ended = await runAll(places, output, interrupt.signal);
  tell(plan, places, options, output);
  if (ended === 'aborted') output.print('interrupted; the same command goes on');
  return ended === 'aborted' ? INTERRUPTED : ended === 'diverged' ? exitCodes.failed : exitCodes.done;
}

function list(places: readonly Place[], output: Output): number {
  for (const { folder } of places) output.print(`${stateOf(folder).padEnd(8)}  ${folder.dir}`);
  return exitCodes.done;
}

async function runAll(
  places: readonly Place[],
  output: Output,
  signal: AbortSignal,
): Promise<'done' | 'diverged' | 'aborted'> {
  const [first] = places as [Place, ...Place[]];
  const opened = await unlessAborted(signal, openSession(first.cell.config, output.remark, signal));
  if (opened === undefined) return 'aborted';
  await using session = opened;
  const known = places.map(({ cell, folder }) => ({
    folder,
    cell: { ...cell, config: { ...cell.config, data: settleData(cell.config.data, session.dataset) } },
  }));
  for (const { cell, folder } of known) checkSame(folder, cell.config);
  let diverged = false;
  for (const [index, place] of known.entries()) {
    const where = `cell ${index + 1} of ${known.length}`;
    const ended = await runOne(place, session, { output, signal, where });
    if (ended === 'aborted') return 'aborted';
    diverged ||= ended === 'diverged';
  }
  return diverged ? 'diverged' : 'done';
}

async function runOne(
  { cell, folder }: Place,
  session: Session,
  { output, signal, where }: { readonly output: Output; readonly signal: AbortSignal; readonly where: string },
): Promise<'finished' | 'diverged' | 'aborted'> {
  const state = stateOf(folder);
  output.remark(
    `${where}  ${folder.dir}  ${state === 'finished' ? 'finished before' : state === 'begun' ? 'going on' : 'starting'}`,
  );
  if (state === 'finished') return 'finished';
  // Standard output is for the table.
  const quiet: Output = { ...output, print: output.remark };
  try {
    return await runCell({ config: cell.config, session, folder, output: quiet, signal });
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
    output.warn(`${folder.dir}: ${error.message}`);
    return 'diverged';
  }
}

/** Writes the comparison in every form and prints the one that was asked for. */
function tell(plan: Plan, places: readonly Place[], { out, format }: CompareCommand, output: Output): void {
  const outcomes = places.map(({ cell, folder }): Outcome => ({ cell, finished: resultOf(folder) }));
  const summaries = outcomes.flatMap(({ finished }) => finished?.summary ?? []);
  if (summaries.length === 0) return;
  const [{ model, dataset }] = summaries as [(typeof summaries)[0]];
  const findings: Findings = {
    title: `${model} on ${dataset}`,
    synthetic: summaries.some(({ synthetic }) => synthetic),
    tables: tables(plan, outcomes),
    remarks: remarks(plan, outcomes),
  };
  const forms = { text: asText(findings), markdown: asMarkdown(findings), html: asHtml(findings, readAssets()) };
  for (const form of ['text', 'markdown', 'html'] as const) write(join(out, FILES[form]), `${forms[form]}\n`);
  const cells = outcomes.map(({ cell: { config: _, ...cell }, finished }) => ({ ...cell, ...finished }));
  write(
    join(out, 'comparison.json'),
    `${JSON.stringify({ comparisons: comparisons(plan, outcomes), cells }, null, 2)}\n`,
  );
  output.print(forms[format]);
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (cause) {
    throw ioError('compare', path, cause);
  }
}
