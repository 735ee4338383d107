import {
  alexNetErrors,
  type BenchmarkCorruption,
  benchmarkCorruptions,
  type CorruptionName,
  extraCorruptions,
  type Severity,
  severities,
} from '@s2sam/data';
import { describe, expect, it } from 'vitest';
import { resultLines } from '../src/corruptions/lines.js';
import { type Accuracies, corruptionMetrics } from '../src/corruptions/metrics.js';

type Table = Map<CorruptionName, Map<Severity, number>>;

/** Accuracies whose mean over the severities of `name` is 1 - error(name), with a slope over the severities. */
const table = (names: readonly CorruptionName[], error: (name: CorruptionName) => number): Table =>
  new Map(
    names.map((name) => [
      name,
      new Map(severities.map((severity) => [severity, 1 - error(name) + (3 - severity) / 50])),
    ]),
  );
const alexNet = (name: CorruptionName): number => alexNetErrors[name as BenchmarkCorruption];
const metrics = (accuracies: Accuracies, cleanAccuracy?: number) =>
  corruptionMetrics(accuracies, { alexNet: true, cleanAccuracy });

/** CE of ResNet-50 in percent: Hendrycks and Dietterich 2019, table 1, which gives its mCE as 76.7. */
const resnet50: Readonly<Record<BenchmarkCorruption, number>> = {
  gaussian_noise: 80,
  shot_noise: 82,
  impulse_noise: 83,
  defocus_blur: 75,
  glass_blur: 89,
  motion_blur: 78,
  zoom_blur: 80,
  snow: 78,
  frost: 75,
  fog: 66,
  brightness: 57,
  contrast: 71,
  elastic_transform: 85,
  pixelate: 77,
  jpeg_compression: 77,
};

describe('mCE', () => {
  it('of AlexNet is 100, and so is its relative mCE', () => {
    const { mce, relativeMce, corruptions, missing } = metrics(table(benchmarkCorruptions, alexNet), 1 - 0.4345);
    expect(mce).toBeCloseTo(100, 9);
    expect(relativeMce).toBeCloseTo(100, 9);
    for (const { ce } of corruptions) expect(ce).toBeCloseTo(100, 9);
    expect(missing).toEqual([]);
  });

  it('of ResNet-50 is 76.7, up to the rounding of the published CE', () => {
    const error = (name: CorruptionName) => (alexNet(name) * resnet50[name as BenchmarkCorruption]) / 100;
    expect(Math.abs((metrics(table(benchmarkCorruptions, error)).mce ?? 0) - 76.7)).toBeLessThan(0.5);
  });

  it('has AlexNet errors whose mean is the published one', () => {
    // The 15 values as the authors of ImageNet-C release them, added up by hand: a mean error of 78.90 %.
    const sum = Object.values(alexNetErrors).reduce((total, value) => total + value, 0);
    expect(sum).toBeCloseTo(11.834896, 6);
  });

  it('is the mean of ratios, not the ratio of means', () => {
    const half = table(benchmarkCorruptions, (name) => (name === 'brightness' ? 0 : alexNet(name)));
    expect(metrics(half).mce).toBeCloseTo((14 / 15) * 100, 9);
  });

  it('relative: only what is lost over the clean error counts', () => {
    const robust = table(benchmarkCorruptions, () => 0.3);
    expect(metrics(robust, 0.7).relativeMce).toBeCloseTo(0, 9);
    expect(metrics(robust).relativeMce).toBeUndefined();
  });

  it('is not given for other images', () => {
    const { mce, corruptions, mean } = corruptionMetrics(table(benchmarkCorruptions, alexNet), { alexNet: false });
    expect(mce).toBeUndefined();
    expect(corruptions.every(({ ce }) => ce === undefined)).toBe(true);
    expect(mean?.complete).toBe(true);
  });
});

describe('means', () => {
  const full = table([...benchmarkCorruptions, ...extraCorruptions], (name) =>
    (extraCorruptions as readonly string[]).includes(name) ? 0.9 : 0.25,
  );

  it('leave the extra corruptions apart', () => {
    const { mean, extraMean, mce } = metrics(full);
    expect(mean).toEqual({ accuracy: expect.closeTo(0.75, 9), cells: 75, of: 75, complete: true });
    expect(extraMean).toEqual({ accuracy: expect.closeTo(0.1, 9), cells: 20, of: 20, complete: true });
    expect(mce).toBeCloseTo(metrics(table(benchmarkCorruptions, () => 0.25)).mce as number, 9);
  });

  it('weigh each pair of corruption and severity the same', () => {
    const some: Table = new Map([
      ['fog', new Map<Severity, number>([[1, 0.9]])],
      [
        'snow',
        new Map<Severity, number>([
          [1, 0.3],
          [2, 0.2],
          [3, 0.1],
        ]),
      ],
    ]);
    const { mean, corruptions } = metrics(some);
    expect(mean).toEqual({ accuracy: expect.closeTo(1.5 / 4, 9), cells: 4, of: 75, complete: false });
    expect(corruptions.map(({ corruption, meanAccuracy }) => [corruption, meanAccuracy])).toEqual([
      ['snow', expect.closeTo(0.2, 9)],
      ['fog', 0.9],
    ]);
  });

  it('claim nothing complete where something is missing, and name it', () => {
    const lacking = new Map(full);
    lacking.delete('frost');
    lacking.set('fog', new Map([...(full.get('fog') as Map<Severity, number>)].filter(([severity]) => severity < 4)));
    const result = metrics(lacking, 0.95);
    expect(result.mean).toMatchObject({ cells: 68, of: 75, complete: false });
    expect([result.mce, result.relativeMce]).toEqual([undefined, undefined]);
    expect(result.corruptions.find(({ corruption }) => corruption === 'fog')).toMatchObject({ complete: false });
    expect(result.corruptions.find(({ corruption }) => corruption === 'fog')?.ce).toBeUndefined();
    expect(result.missing).toEqual([
      ...severities.map((severity) => ({ corruption: 'frost', severity })),
      { corruption: 'fog', severity: 4 },
      { corruption: 'fog', severity: 5 },
    ]);
    const lines = resultLines({
      type: 'result',
      dataset: 'imagenet-c',
      generated: false,
      images: 1,
      seconds: 1,
      ...result,
    });
    expect(lines.at(-1)).toBe('missing: frost (all), fog (4, 5)');
    expect(lines).toContain(
      'mean over 15 corruptions x 5 severities: acc 75.09%, NOT COMPLETE: over the 68 of 75 that were measured',
    );
    expect(lines.find((line) => line.startsWith('fog '))).toMatch(/^fog +weather .* - +- +77\.00% \* +- +-$/);
    expect(lines.join('\n')).not.toContain('mCE');
  });

  it('are marked where the images were generated', () => {
    const lines = resultLines({
      type: 'result',
      dataset: 'cifar10-c-generated',
      generated: true,
      images: 1,
      seconds: 1,
      ...corruptionMetrics(full, { alexNet: false }),
    });
    expect(lines.filter((line) => line.startsWith('mean'))).toEqual([
      'mean over 15 corruptions x 5 severities: acc 75.00%  [generated, not the released files]',
    ]);
  });
});
