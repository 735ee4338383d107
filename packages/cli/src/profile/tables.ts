import type { KernelChoice, MachinePeaks, ProfileSpan } from '@s2sam/native';
import { percent } from '../consumers/lines.js';
import type { Table } from '../report/table.js';
import { opMilliseconds, type Total, totals } from './summary.js';

const ms = (value: number): string => value.toFixed(2);
/** A rate; `-` where nothing of the kind was done. GFLOP / ms and GB / ms are a thousand times GFLOP/s and GB/s. */
const rate = (amount: number, milliseconds: number): string =>
  amount === 0 ? '-' : ((amount / milliseconds) * 1000).toFixed(1);

/** Share of what the machine can do at most: of arithmetic where there is any, else of memory. */
function ofPeak({ gflop, gigabytes, milliseconds }: Total, peaks: MachinePeaks): string {
  if (gflop > 0) return percent(((gflop / milliseconds) * 1000) / peaks.arithmetic, 0);
  return gigabytes > 0 ? percent(((gigabytes / milliseconds) * 1000) / peaks.memory, 0) : '-';
}

export function opTable(spans: readonly ProfileSpan[], steps: number, peaks: MachinePeaks): Table {
  const all = opMilliseconds(spans, steps);
  const rows = [...totals(spans, steps, ({ op }) => op)].map(([op, total]) => [
    op,
    ms(total.milliseconds),
    percent(total.milliseconds / all, 1),
    String(Math.round(total.calls)),
    rate(total.gflop, total.milliseconds),
    rate(total.gigabytes, total.milliseconds),
    ofPeak(total, peaks),
  ]);
  return { title: 'ops', head: ['op', 'ms', 'share', 'calls', 'GFLOP/s', 'GB/s', 'of peak'], rows };
}

/** Columns of the table of layers, by op. */
const PASSES = [
  ['forward', ['conv2d', 'linear', 'batchNormTrain']],
  ['data', ['conv2dBackwardData', 'linearBackwardData']],
  ['weight', ['conv2dBackwardWeight', 'linearBackwardWeight', 'linearBackwardBias']],
  ['norm', ['batchNormBackward']],
] as const satisfies readonly (readonly [string, readonly string[]])[];

/** One row for each layer, batch norm included, in the order of the forward pass. */
export function layerTable(spans: readonly ProfileSpan[], steps: number): Table {
  const labelled = spans.filter(({ label }) => label !== '');
  const layers = [...new Set(labelled.map(({ label }) => label))];
  const each = totals(labelled, steps, ({ op, label }) => `${label} ${op}`);
  const whole = totals(labelled, steps, ({ label }) => label);
  const rows = layers.map((layer) => {
    const of = (ops: readonly string[]): string => {
      const parts = ops.map((op) => each.get(`${layer} ${op}`)?.milliseconds).filter((part) => part !== undefined);
      return parts.length === 0 ? '-' : ms(parts.reduce((sum, part) => sum + part, 0));
    };
    const total = whole.get(layer) as Total;
    return [
      layer,
      ...PASSES.map(([, ops]) => of(ops)),
      ms(total.milliseconds),
      rate(total.gflop, total.milliseconds),
      rate(total.gigabytes, total.milliseconds),
    ];
  });
  return {
    title: 'layers',
    head: ['layer', ...PASSES.map(([name]) => `${name} ms`), 'ms', 'GFLOP/s', 'GB/s'],
    rows,
  };
}

/** How each pass of each layer is computed, and what else was timed. */
export function choiceTable(choices: readonly KernelChoice[]): Table {
  const rows = choices.map(({ label, op, density, kernel, candidates }) => {
    const first = candidates.find((candidate) => candidate.kernel === kernel);
    const [second] = candidates
      .filter((candidate) => candidate !== first)
      .toSorted((a, b) => a.milliseconds - b.milliseconds);
    return [
      label === '' ? '(no layer)' : label,
      op,
      density.toFixed(4),
      kernel,
      first === undefined ? '-' : ms(first.milliseconds),
      second === undefined ? '-' : ms(second.milliseconds),
      second?.kernel ?? '-',
    ];
  });
  return { title: 'kernels', head: ['layer', 'pass', 'density', 'kernel', 'ms', 'next ms', 'next'], rows };
}
