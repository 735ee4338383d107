import { describe, expect, it } from 'vitest';
import { apportion } from '../src/apportion.js';
import {
  adaptThreshold,
  anneal,
  elasticMutation,
  lotteryRounds,
  meanDensity,
  roundsTo,
  softMemoryBound,
} from '../src/index.js';
import { Times } from '../src/times.js';

describe('RigL', () => {
  // 25,000 of 32,000 steps, as on ImageNet.
  const times = new Times('rigl', { updateEvery: 100, stopAt: 25 / 32 });
  const length = { totalSteps: 32_000 };

  it.each([
    [0, 0.3],
    [2500, 0.29265848],
    [6250, 0.25606602],
    [12_500, 0.15],
    [18_750, 0.04393398],
    [24_900, 1.18e-5],
  ])('drops at step %d the share %d', (step, share) => {
    const digits = step === 24_900 ? 7 : 8;
    expect(anneal.cosine(0.3).at(times.progress(step, length))).toBeCloseTo(share, digits);
  });

  it('updates at step 0, every 100 steps, and not after the end', () => {
    const due = Array.from({ length: 32_000 }, (_, step) => step).filter((step) => times.due(step, length));
    expect(due.length).toBe(251);
    expect([due[0], due[1], due.at(-1)]).toEqual([0, 100, 25_000]);
  });
});

it('anneals as its formulas say, and stays at the ends', () => {
  expect([0, 0.5, 1, 2].map(anneal.linear(4, 2).at)).toEqual([4, 3, 2, 2]);
  expect([-1, 0, 0.25, 1].map(anneal.constant(0.3).at)).toEqual([0.3, 0.3, 0.3, 0.3]);
  // ITOP: 0.5 to 0.005.
  expect([0, 0.5, 1].map(anneal.cosine(0.5, 0.005).at)).toEqual([0.5, 0.2525, 0.005]);
  // Zhu & Gupta, sparsity 0.8 from step 10,000 to 25,000: 0.8 * (1 - (1 - p)^3).
  const sparsity = (step: number): number => 1 - anneal.cubic(1, 0.2).at((step - 10_000) / 15_000);
  for (const [step, s] of [
    [10_000, 0],
    [13_000, 0.3904],
    [17_500, 0.7],
    [22_000, 0.7936],
    [25_000, 0.8],
  ] as const) {
    expect(sparsity(step), `${step}`).toBeCloseTo(s, 10);
  }
});

describe('MEST', () => {
  it.each([
    ['em', 0.1, elasticMutation(0.1), [0.08, 0.09, 0.1], [0.1, 0.1, 0.1]],
    ['em', 0.05, elasticMutation(0.05), [0.04, 0.045, 0.05], [0.05, 0.05, 0.05]],
    ['em', 0.02, elasticMutation(0.02), [0.018, 0.019, 0.02], [0.02, 0.02, 0.02]],
    ['em of VGG', 0.02, elasticMutation(0.02, 'vgg'), [0.01, 0.015, 0.02], [0.02, 0.02, 0.02]],
    ['em&s', 0.1, softMemoryBound(0.1), [0.1, 0.1, 0.1], [0.15, 0.125, 0.1]],
    ['em&s', 0.05, softMemoryBound(0.05), [0.05, 0.05, 0.05], [0.1, 0.075, 0.05]],
    ['em&s', 0.02, softMemoryBound(0.02), [0.02, 0.02, 0.02], [0.07, 0.04, 0.02]],
    ['em&s of VGG', 0.02, softMemoryBound(0.02, 'vgg'), [0.02, 0.02, 0.02], [0.07, 0.045, 0.02]],
  ])('has the released stages of %s at %d', (_, _density, stages, dropTo, growTo) => {
    expect(stages.map(({ until }) => until * 160)).toEqual([90, 120, 160]);
    for (const [i, stage] of stages.entries()) {
      expect(stage.dropTo).toBeCloseTo(dropTo[i] as number, 12);
      expect(stage.growTo).toBeCloseTo(growTo[i] as number, 12);
    }
  });

  it.each([
    [0.1, 0.1328],
    [0.05, 0.0828],
    [0.02, 0.0519],
  ])('EM&S at %d trains with a mean density of %d', (density, mean) => {
    expect(meanDensity(softMemoryBound(density))).toBeCloseTo(mean, 4);
    expect(meanDensity(elasticMutation(density))).toBeCloseTo(density, 12);
  });
});

describe('lottery tickets', () => {
  it.each([
    [0.1, 11, 0.0859],
    [0.05, 14, 0.044],
    [0.02, 18, 0.018],
  ])('density %d takes %d prunings of a fifth, which would end at %d', (density, prunings, free) => {
    expect(roundsTo(density)).toBe(prunings + 1);
    expect(0.8 ** prunings).toBeCloseTo(free, 4);
  });

  it('ends each round at the power of 0.8, the last exactly at the target', () => {
    const size = 1_855_584;
    const rounds = lotteryRounds(size, 0.1);
    expect(rounds.length).toBe(12);
    expect(rounds.slice(0, 4)).toEqual([1_855_584, 1_484_468, 1_187_574, 950_060]);
    expect(rounds.at(-2)).toBe(199_242); // 0.8^10 = 0.1074
    expect(rounds.at(-1)).toBe(185_559); // 1,855,584 less floor(0.9 of it)
    expect(lotteryRounds(100, 1)).toEqual([100]);
    expect(lotteryRounds(1000, 0.5, 0.5)).toEqual([1000, 500]);
  });
});

it("DSR's threshold halves above 1.1 times the target, doubles below 0.9 times", () => {
  expect(adaptThreshold(0.001, 22_001, 20_000)).toBe(0.0005);
  expect(adaptThreshold(0.001, 22_000, 20_000)).toBe(0.001);
  expect(adaptThreshold(0.001, 18_000, 20_000)).toBe(0.001);
  expect(adaptThreshold(0.001, 17_999, 20_000)).toBe(0.002);
  // A trace: far too many, too many, right, none.
  let threshold = 1e-3;
  const trace = [60_000, 25_000, 19_000, 0].map((dropped) => {
    threshold = adaptThreshold(threshold, dropped, 20_000);
    return threshold;
  });
  expect(trace).toEqual([5e-4, 2.5e-4, 2.5e-4, 5e-4]);
});

describe('apportion', () => {
  it('gives whole numbers in proportion, largest remainders first', () => {
    expect(apportion(10, [1, 1, 2], [9, 9, 9])).toEqual([3, 2, 5]); // 2.5, 2.5, 5
    expect(apportion(7, [5, 3, 2], [9, 9, 9])).toEqual([4, 2, 1]); // 3.5, 2.1, 1.4
    expect(apportion(0, [1, 2], [3, 3])).toEqual([0, 0]);
    expect(apportion(4, [0, 0], [3, 3])).toEqual([2, 2]);
  });

  it('passes on what full ones cannot take', () => {
    expect(apportion(10, [8, 1, 1], [2, 9, 9])).toEqual([2, 4, 4]);
    expect(apportion(10, [100, 1, 0], [2, 3, 9])).toEqual([2, 3, 5]);
  });

  it('always gives out everything within the capacities', () => {
    for (let n = 1; n <= 300; n++) {
      const weights = [n % 7, (n * 13) % 11, (n * 5) % 3, 1 / n];
      const capacity = [n % 5, n, (n * 3) % 17, 2 * n];
      const total = Math.min(
        n,
        capacity.reduce((a, b) => a + b, 0),
      );
      const counts = apportion(total, weights, capacity);
      expect(
        counts.reduce((a, b) => a + b, 0),
        `${n}`,
      ).toBe(total);
      for (const [i, count] of counts.entries()) {
        expect(Number.isInteger(count) && count >= 0 && count <= (capacity[i] as number), `${n}: ${counts}`).toBe(true);
      }
    }
  });
});
