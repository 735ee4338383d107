import { describe, expect, it } from 'vitest';
import { pairedDifference, sample } from '../src/compare/statistics.js';
import { tQuantile } from '../src/compare/student.js';

describe("Student's t", () => {
  it.each([
    // Printed tables of the two-sided quantile.
    [0.9, 4, 2.132],
    [0.95, 3, 3.182],
    [0.95, 4, 2.776],
    [0.95, 5, 2.571],
    [0.95, 9, 2.262],
    [0.95, 14, 2.145],
    [0.95, 30, 2.042],
    [0.95, 120, 1.98],
    [0.99, 4, 4.604],
    [0.99, 60, 2.66],
  ])('at %d with %i degrees of freedom is %d', (confidence, degrees, expected) => {
    expect(tQuantile(confidence, degrees)).toBeCloseTo(expected, 3);
  });

  it.each([0.5, 0.9, 0.95, 0.999])('has its closed forms at %d', (confidence) => {
    expect(tQuantile(confidence, 1)).toBeCloseTo(Math.tan((Math.PI / 2) * confidence), 7);
    const p = (1 + confidence) / 2;
    expect(tQuantile(confidence, 2)).toBeCloseTo((2 * p - 1) / Math.sqrt(2 * p * (1 - p)), 8);
  });

  it('becomes the normal distribution', () => {
    expect(tQuantile(0.95, 1e7)).toBeCloseTo(1.959964, 5);
  });
});

describe('samples', () => {
  const sgd = [93.07, 92.81, 93.22, 92.95, 93.1];
  const s2sam = [93.31, 93.02, 93.36, 93.35, 93.12];

  it('mean and deviation are those of NumPy', () => {
    expect(sample(sgd).mean).toBeCloseTo(93.03, 10);
    expect(sample(sgd).deviation).toBeCloseTo(0.15604486534326975, 10);
    expect(sample(s2sam).deviation).toBeCloseTo(0.15319921670817996, 10);
  });

  it('the paired difference and its interval are those of NumPy and a printed t table', () => {
    const bySeed = (values: readonly number[]): Map<number, number> =>
      new Map(values.map((value, seed) => [seed, value]));
    const difference = pairedDifference(bySeed(sgd), bySeed(s2sam));
    expect(difference.count).toBe(5);
    expect(difference.mean).toBeCloseTo(0.202, 10);
    expect(difference.deviation).toBeCloseTo(0.13935566009315287, 10);
    expect(difference.low).toBeCloseTo(0.02896709391641175, 8);
    expect(difference.high).toBeCloseTo(0.3750329060835903, 8);
  });

  it('only seeds that both have are pairs', () => {
    const difference = pairedDifference(
      new Map([
        [0, 1],
        [1, 2],
        [7, 9],
      ]),
      new Map([
        [1, 2.5],
        [0, 1.25],
        [3, 4],
      ]),
    );
    expect([difference.count, difference.mean]).toEqual([2, 0.375]);
  });

  it('of one value has no spread, of none no mean', () => {
    expect(sample([3])).toEqual({ count: 1, mean: 3, deviation: Number.NaN });
    expect(sample([]).mean).toBeNaN();
    const single = pairedDifference(new Map([[0, 1]]), new Map([[0, 3]]));
    expect([single.mean, single.low, single.high]).toEqual([2, Number.NaN, Number.NaN]);
  });
});
