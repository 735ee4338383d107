import { expect } from 'vitest';
import { blockSums, type GoldenTensor } from './golden.js';

interface Verdict {
  readonly pass: boolean;
  readonly message: () => string;
}

const indexIn = (shape: readonly number[], flat: number): string => {
  const index: number[] = [];
  for (const extent of [...shape].reverse()) {
    index.unshift(flat % extent);
    flat = Math.floor(flat / extent);
  }
  return `[${index.join(', ')}]`;
};

/** Where two lists differ most; NaN counts as infinitely far. */
function worst(actual: (i: number) => number, expected: ArrayLike<number>): { at: number; gap: number } {
  let found = { at: 0, gap: 0 };
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual(i) - (expected[i] as number));
    const gap = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    if (gap > found.gap) found = { at: i, gap };
  }
  return found;
}

function compare(actual: ArrayLike<number>, golden: GoldenTensor, tolerance: number): Verdict {
  const { label, shape, values, sample } = golden;
  const count = shape.reduce((product, extent) => product * extent, 1);
  const head = `${label} ${JSON.stringify(shape)}`;
  if (actual.length !== count) {
    return { pass: false, message: () => `${head}: got ${actual.length} values instead of ${count}` };
  }
  const positionOf = (i: number): number => (sample === undefined ? i : (sample.positions[i] as number));
  const scale = Math.max(golden.largest, Number.MIN_VALUE);
  const element = worst((i) => actual[positionOf(i)] as number, values);
  const where = positionOf(element.at);
  const describe = (): string =>
    `${head}: relative error ${(element.gap / scale).toExponential(2)}, allowed ${tolerance}, worst at ` +
    `${indexIn(shape, where)}: got ${actual[where]}, PyTorch has ${values[element.at]} (largest value ${golden.largest})`;
  if (element.gap > tolerance * scale) return { pass: false, message: describe };
  return sample === undefined ? { pass: true, message: describe } : compareBlocks(actual, golden, tolerance * scale);
}

/** Rounding errors of n independent elements add up to about sqrt(n) of one. */
function compareBlocks(actual: ArrayLike<number>, golden: GoldenTensor, perElement: number): Verdict {
  const { sums, lengths } = blockSums(actual);
  const blocks = golden.sample?.blocks ?? [];
  const allowed = (k: number): number => perElement * Math.sqrt(lengths[k] as number);
  const { at, gap } = worst(
    (k) => (sums[k] as number) / allowed(k),
    Array.from(blocks, (sum, k) => sum / allowed(k)),
  );
  const begin = lengths.slice(0, at).reduce((sum, length) => sum + length, 0);
  return {
    pass: gap <= 1,
    message: () =>
      `${golden.label} ${JSON.stringify(golden.shape)}: among the elements from ${indexIn(golden.shape, begin)} to ` +
      `${indexIn(golden.shape, begin + (lengths[at] as number) - 1)} some are wrong: their signed sum is ${sums[at]}, ` +
      `PyTorch has ${blocks[at]}, allowed difference ${allowed(at).toExponential(2)}`,
  };
}

expect.extend({
  toBeCloseToTensor(actual: ArrayLike<number>, golden: GoldenTensor, tolerance?: number) {
    return compare(actual, golden, tolerance ?? golden.tolerance);
  },
});

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: the declaration must repeat vitest's own type parameter
  interface Matchers<T = any> {
    /** max |a - b| <= tolerance * max |b|, and as much for the signed sums of a large tensor. Default: the golden's tolerance. */
    toBeCloseToTensor(golden: GoldenTensor, tolerance?: number): T;
  }
}
