import { describe, expect, it } from 'vitest';
import { keyOf, normal } from './counter.js';
import { expected, golden } from './golden.js';
import './matchers.js';

const [large] = golden('random').filter(({ name }) => name === '1000');
if (large === undefined) throw new Error('the golden files have no random numbers of 1000 elements');
const { seed, mean, std } = large.params;
const values = normal(keyOf(seed, 'golden/random', 11), 1000, mean, std);
const stored = large.output('normal');

describe('toBeCloseToTensor', () => {
  it('accepts what is equal up to the tolerance', () => {
    expect(values).toBeCloseToTensor(stored);
    expect(values.map((value) => value * (1 + 5e-7))).toBeCloseToTensor(stored);
    expect([1, 2]).toBeCloseToTensor(expected('two', [1, 2.001], 1e-3));
  });

  it('refuses any single wrong element of a tensor stored by samples and block sums', () => {
    expect(stored.sample?.positions).toHaveLength(256);
    const missed = Array.from(values.keys()).filter((i) => {
      const wrong = values.slice();
      wrong[i] = (wrong[i] as number) + 0.01 * stored.largest;
      try {
        expect(wrong).toBeCloseToTensor(stored);
        return true;
      } catch {
        return false;
      }
    });
    expect(missed).toEqual([]);
  });

  it('names the worst element and both values', () => {
    const golden = expected('conv y', [1, 2, 3, 4], 1e-5, [2, 2]);
    expect(() => expect([1, 2, 3.5, 4]).toBeCloseToTensor(golden)).toThrow(
      /conv y \[2,2\]: relative error 1\.25e-1, allowed 0\.00001, worst at \[1, 0\]: got 3\.5, PyTorch has 3/,
    );
    expect(() => expect([1, 2, Number.NaN, 4]).toBeCloseToTensor(golden)).toThrow(/got NaN/);
    expect(() => expect([1, 2, 3]).toBeCloseToTensor(golden)).toThrow(/got 3 values instead of 4/);
  });
});
