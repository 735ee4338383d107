import type { Severity } from '@s2sam/data';
import { severities } from '@s2sam/data';
import { percent } from '../consumers/lines.js';
import { type Table, textTable } from '../report/table.js';
import type { CorruptionEvent, CorruptionResult } from './evaluate.js';
import type { Cell, CellMean, CorruptionScore } from './metrics.js';

/** Marks what was measured on images that are not the released ones. */
export const markGenerated = (generated: boolean, line: string): string =>
  generated ? `${line}  [generated, not the released files]` : line;

export const corruptionLine = ({ corruption, severity, accuracy, index, total }: CorruptionEvent): string =>
  `${String(index + 1).padStart(String(total).length)}/${total}  ${corruption} ${severity}: acc ${percent(accuracy)}`;

const number = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(1));

function tableOf({ dataset, corruptions }: CorruptionResult): Table {
  const withCe = corruptions.some(({ ce }) => ce !== undefined);
  const row = (score: CorruptionScore): string[] => [
    score.corruption,
    score.group,
    ...score.accuracies.map((accuracy) => (accuracy === null ? '-' : percent(accuracy))),
    `${percent(score.meanAccuracy)}${score.complete ? '' : ' *'}`,
    ...(withCe ? [number(score.ce), number(score.relativeCe)] : []),
  ];
  return {
    title: dataset,
    head: ['corruption', 'group', ...severities.map(String), 'mean', ...(withCe ? ['CE', 'relative CE'] : [])],
    rows: corruptions.map(row),
  };
}

function meanLine(what: string, mean: CellMean): string {
  const count = mean.complete ? '' : `, NOT COMPLETE: over the ${mean.cells} of ${mean.of} that were measured`;
  return `${what}: acc ${percent(mean.accuracy)}${count}`;
}

/** `fog (all), snow (1, 2)`. */
function missingText(missing: readonly Cell[]): string {
  const byName = new Map<string, Severity[]>();
  for (const { corruption, severity } of missing) {
    byName.set(corruption, [...(byName.get(corruption) ?? []), severity]);
  }
  return [...byName]
    .map(([name, found]) => `${name} (${found.length === severities.length ? 'all' : found.join(', ')})`)
    .join(', ');
}

/** What `s2sam eval --corruptions` prints: a table of accuracies by severity, and the means. */
export function resultLines(result: CorruptionResult): string[] {
  const { clean, mean, extraMean, mce, relativeMce, missing } = result;
  const meanOf = (what: string, found: CellMean | undefined): string[] =>
    found === undefined ? [] : [markGenerated(result.generated, meanLine(what, found))];
  return [
    ...textTable(tableOf(result)),
    ...(result.corruptions.some(({ complete }) => !complete) ? ['* over fewer than 5 severities'] : []),
    '',
    ...(clean === undefined ? [] : [`clean (${clean.dataset} test): acc ${percent(clean.accuracy)}`]),
    ...meanOf('mean over 15 corruptions x 5 severities', mean),
    ...meanOf('extra corruptions, in no other mean', extraMean),
    ...(mce === undefined ? [] : [`mCE ${mce.toFixed(2)} (AlexNet: 100)`]),
    ...(relativeMce === undefined ? [] : [`relative mCE ${relativeMce.toFixed(2)}`]),
    ...(missing.length === 0 ? [] : [`missing: ${missingText(missing)}`]),
  ];
}
