import type { KernelChoice, ProfileSpan } from '@s2sam/native';
import { percent } from '../consumers/lines.js';
import type { Table } from '../report/table.js';
import { type Limits, opMilliseconds, type Total, totals } from './summary.js';

const ms = (value: number): string => value.toFixed(value < 1 ? 3 : 2);
/** A rate; `-` where nothing of the kind was done. GFLOP / ms and GB / ms are a thousand times GFLOP/s and GB/s. */
const rate = (amount: number, milliseconds: number): string =>
  amount === 0 ? '-' : ((amount / milliseconds) * 1000).toFixed(1);

/** Share of the machine's limits that was reached: of arithmetic or of memory, whichever takes longer. */
const ofPeak = ({ floor, milliseconds }: Total): string => (floor === 0 ? '-' : percent(floor / milliseconds, 0));

export function opTable(spans: readonly ProfileSpan[], steps: number, limits: Limits): Table {
  const all = opMilliseconds(spans, steps);
  const rows = [...totals(spans, steps, limits, ({ op }) => op)].map(([op, total]) => [
    op,
    ms(total.milliseconds),
    percent(total.milliseconds / all, 1),
    String(Math.round(total.calls)),
    rate(total.gflop, total.milliseconds),
    rate(total.gigabytes, total.milliseconds),
    ofPeak(total),
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
export function layerTable(spans: readonly ProfileSpan[], steps: number, limits: Limits): Table {
  const labelled = spans.filter(({ label }) => label !== '');
  const layers = [...new Set(labelled.map(({ label }) => label))];
  const each = totals(labelled, steps, limits, ({ op, label }) => `${label} ${op}`);
  const whole = totals(labelled, steps, limits, ({ label }) => label);
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
      ofPeak(total),
    ];
  });
  return {
    title: 'layers',
    head: ['layer', ...PASSES.map(([name]) => `${name} ms`), 'ms', 'GFLOP/s', 'GB/s', 'of peak'],
    rows,
  };
}

/** A line for each kernel that did not work, once. */
export function refusalLines(choices: readonly KernelChoice[]): string[] {
  const lines = choices.flatMap(({ refused }) => refused.map(({ kernel, why }) => `${kernel} does not work: ${why}`));
  return [...new Set(lines)];
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
