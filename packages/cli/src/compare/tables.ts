import { percent } from '../consumers/lines.js';
import type { Table } from '../report/table.js';
import type { Summary } from '../run/summary.js';
import type { Finished } from './cell.js';
import type { Cell, Plan } from './plan.js';
import { type PairedDifference, pairedDifference, type Sample, sample } from './statistics.js';

/** A cell and, where it is finished, what came of it. */
export interface Outcome {
  readonly cell: Cell;
  readonly finished: Finished | undefined;
}

/** Cells of one method, sparsity and optimizer, over all seeds. */
interface Group {
  readonly method: string;
  readonly sparsity: number;
  readonly optimizer: string;
  readonly outcomes: readonly Outcome[];
}

type Measure = 'testAccuracy' | 'bestTestAccuracy';

/** One optimizer against the first, for one method and sparsity; accuracies are shares, 0..1. */
export interface Comparison {
  readonly method: string;
  readonly sparsity: number;
  readonly optimizer: string;
  readonly last: Sample;
  readonly best: Sample;
  /** Of the last and the best accuracy, over the first optimizer's; undefined for that one itself. */
  readonly lastDifference: PairedDifference | undefined;
  readonly bestDifference: PairedDifference | undefined;
}

function groupsOf({ optimizers }: Plan, outcomes: readonly Outcome[]): Group[][] {
  const rows = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    const key = JSON.stringify([outcome.cell.method, outcome.cell.sparsity]);
    rows.set(key, [...(rows.get(key) ?? []), outcome]);
  }
  return [...rows.values()].map((row) =>
    optimizers.map((optimizer): Group => {
      const { method, sparsity } = (row[0] as Outcome).cell;
      return { method, sparsity, optimizer, outcomes: row.filter(({ cell }) => cell.optimizer === optimizer) };
    }),
  );
}

/** Seed -> accuracy of the finished cells that were tested. */
function bySeed({ outcomes }: Group, measure: Measure): Map<number, number> {
  const entries = outcomes.flatMap(({ cell, finished }): [number, number][] => {
    const value = finished?.summary[measure];
    return typeof value === 'number' ? [[cell.seed, value]] : [];
  });
  return new Map(entries);
}

/** All of them as numbers, for `comparison.json`. */
export function comparisons(plan: Plan, outcomes: readonly Outcome[]): Comparison[] {
  return groupsOf(plan, outcomes).flatMap((row) => {
    const [baseline] = row as [Group, ...Group[]];
    return row.map((group): Comparison => {
      const difference = (measure: Measure): PairedDifference | undefined =>
        group === baseline ? undefined : pairedDifference(bySeed(baseline, measure), bySeed(group, measure));
      const { method, sparsity, optimizer } = group;
      return {
        method,
        sparsity,
        optimizer,
        last: sample([...bySeed(group, 'testAccuracy').values()]),
        best: sample([...bySeed(group, 'bestTestAccuracy').values()]),
        lastDifference: difference('testAccuracy'),
        bestDifference: difference('bestTestAccuracy'),
      };
    });
  });
}

const points = (share: number): string => (100 * share).toFixed(2);
const signed = (share: number): string => `${share < 0 ? '' : '+'}${points(share)}`;

/** `93.03 ± 0.16`, with the number of seeds where some are missing. */
function spread({ count, mean, deviation }: Sample, seeds: number): string {
  if (count === 0) return '-';
  const missing = count === seeds ? '' : ` (${count} of ${seeds})`;
  return `${points(mean)}${Number.isNaN(deviation) ? '' : ` ± ${points(deviation)}`}${missing}`;
}

/** `+0.20 [+0.03, +0.38]`; without the interval where there is one pair only. */
function interval({ count, mean, low, high }: PairedDifference): string {
  if (count === 0) return '-';
  return Number.isNaN(low) ? signed(mean) : `${signed(mean)} [${signed(low)}, ${signed(high)}]`;
}

function accuracyTable(plan: Plan, outcomes: readonly Outcome[], measure: Measure): Table {
  const { optimizers, seeds } = plan;
  const [first, ...others] = optimizers;
  const which = measure === 'testAccuracy' ? 'after the last step' : 'best over the epochs';
  const rows = groupsOf(plan, outcomes).map((row) => {
    const [baseline, ...rest] = row as [Group, ...Group[]];
    return [
      baseline.method,
      percent(baseline.sparsity, 1),
      ...row.map((group) => spread(sample([...bySeed(group, measure).values()]), seeds.length)),
      ...rest.map((group) => interval(pairedDifference(bySeed(baseline, measure), bySeed(group, measure)))),
    ];
  });
  return {
    title: `Test accuracy ${which}, %: mean ± standard deviation over ${seeds.length} ${seeds.length === 1 ? 'seed' : 'seeds'}; paired difference with its 95 % confidence interval`,
    head: ['method', 'sparsity', ...optimizers, ...others.map((optimizer) => `${optimizer} - ${first}`)],
    rows,
  };
}

/** What the cells cost, averaged over seeds. */
function costTable(plan: Plan, outcomes: readonly Outcome[]): Table {
  const rows = groupsOf(plan, outcomes)
    .flat()
    .map(({ method, sparsity, optimizer, outcomes }) => {
      const done = outcomes.flatMap(({ finished }) => (finished === undefined ? [] : [finished.summary]));
      const mean = (value: (summary: Summary) => number, show: (mean: number) => string): string =>
        done.length === 0 ? '-' : show(sample(done.map(value)).mean);
      return [
        method,
        optimizer,
        percent(sparsity, 1),
        mean(({ density }) => 1 - density, percent),
        mean(({ explored }) => explored, percent),
        mean(
          ({ inferenceFlops }) => inferenceFlops,
          (ratio) => ratio.toFixed(4),
        ),
        mean(
          ({ trainFlopsRatio }) => trainFlopsRatio,
          (ratio) => ratio.toFixed(4),
        ),
        mean(
          ({ imagesPerSecond }) => imagesPerSecond,
          (speed) => speed.toFixed(0),
        ),
      ];
    });
  return {
    title: 'Cost: FLOPs over those of the dense network with one pass per step',
    head: ['method', 'optimizer', 'sparsity', 'actual', 'explored', 'inference', 'training', 'images/s'],
    rows,
  };
}

export const tables = (plan: Plan, outcomes: readonly Outcome[]): Table[] => [
  accuracyTable(plan, outcomes, 'testAccuracy'),
  accuracyTable(plan, outcomes, 'bestTestAccuracy'),
  costTable(plan, outcomes),
];

/** What a reader must know of the numbers: cells that are missing, masks that were not shared. */
export function remarks(plan: Plan, outcomes: readonly Outcome[]): string[] {
  const missing = outcomes.filter(({ finished }) => finished === undefined).length;
  const differing = groupsOf(plan, outcomes).flatMap((row) =>
    plan.seeds.flatMap((seed) => {
      const cells = row.flatMap(({ outcomes }) => outcomes.filter(({ cell }) => cell.seed === seed));
      const first = new Set(cells.flatMap(({ finished }) => finished?.firstMasks ?? []));
      const { method, sparsity } = row[0] as Group;
      return first.size > 1
        ? [`first masks of ${method} at ${percent(sparsity, 1)}, seed ${seed}, differ between optimizers`]
        : [];
    }),
  );
  const channels = plan.cells.some(({ config }) => config.sparsity.method === 'chex');
  return [
    ...(channels ? ['the sparsity of chex is that of its channels'] : []),
    ...(missing > 0 ? [`${missing} of ${outcomes.length} cells are not finished`] : []),
    ...differing,
  ];
}
