import { relative } from 'node:path';
import { mark } from '../consumers/lines.js';
import type { RunFolder } from '../run/folder.js';
import { INTERRUPTED } from '../run/interrupt.js';
import type { Output } from '../run/output.js';
import type { Summary } from '../run/summary.js';

export type SummaryFormat = 'text' | 'json';

/** A word as the shell reads it back. */
const quote = (word: string): string => (/^[\w./@%+:,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** How this process was called: the installed command, or the script in a checkout. */
function command(): string {
  const script = process.argv[1] ?? 's2sam';
  return script.endsWith('.mjs') ? `node ${quote(relative(process.cwd(), script))}` : 's2sam';
}

/** The exact command that goes on with a run. */
const resumeHint = (folder: RunFolder): string => `${command()} resume ${quote(folder.dir)}`;

/** Says where everything lies and how to go on; the exit code is 130 after Ctrl-C. With `json`, the summary is the very last line. */
export function conclude(
  summary: Summary,
  folder: RunFolder,
  format: SummaryFormat | undefined,
  output: Output,
): number {
  const aborted = summary.reason === 'aborted';
  output.print(mark(summary.synthetic, `checkpoint ${summary.checkpoint}`));
  output.print(mark(summary.synthetic, `report     ${summary.report}`));
  if (aborted) output.print(`interrupted; go on with: ${resumeHint(folder)}`);
  if (format === 'json') output.print(JSON.stringify(summary));
  return aborted ? INTERRUPTED : 0;
}
