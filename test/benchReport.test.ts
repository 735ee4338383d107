import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Report {
  sections(results: readonly unknown[]): { train: string; layers: string; optimizer: string };
  fill(readme: string, texts: Readonly<Record<string, string>>): string;
}
const report = (await import(new URL('../bench/lib/report.mjs', import.meta.url).href)) as Report;

const machine = { cpu: 'A Processor', cores: 2, device: { kind: 'cpu', name: 'A Processor', isa: 'avx2', threads: 2 } };
const train = (date: string, imagesPerSecond: number) => ({
  file: `${date}.json`,
  result: {
    benchmark: 'train',
    date: `${date}T10:00:00.000Z`,
    command: 'npm run bench -- train',
    machine,
    rounds: 5,
    options: { model: 'resnet32', imageSize: 32, batch: 128, dtype: 'f32', layout: 'uniform' },
    contestants: [
      { name: 's2sam s2sam dense', imagesPerSecond, peakMB: 123.4 },
      { name: 'pytorch sgd dense nchw', imagesPerSecond: 50 },
    ],
    ratios: [
      { what: 's2sam s2sam dense / pytorch sgd dense nchw, images per second', median: 2, min: 1.9, max: 2.1 },
      { what: 's2sam s2sam dense / sgd, step time', median: 1.004, min: 1, max: 1.01 },
    ],
  },
});

describe('the tables of the README', () => {
  it('are those of the results', () => {
    expect(() =>
      execFileSync(process.execPath, ['bench/report.mjs', '--check'], { cwd: root, stdio: 'pipe' }),
    ).not.toThrow();
  });

  it('show the newest result about each network, with machine, date and command', () => {
    const { train: text, layers } = report.sections([train('2026-01-02', 100), train('2026-01-01', 77)]);
    expect(text).toContain('| s2sam s2sam dense | 100.0 | 2.00 (1.90 to 2.10) | 123 |');
    expect(text).toContain('| pytorch sgd dense nchw | 50.0 |  |  |');
    expect(text).toContain('| over pytorch sgd dense nchw |');
    expect(text).toContain('- s2sam s2sam dense / sgd: 1.00 (1.00 to 1.01) times the step time');
    expect(text).toContain('2 cores of A Processor (avx2), 2 threads, 2026-01-02, medians of 5 rounds');
    expect(text).toContain('[the result](bench/results/2026-01-02.json), `npm run bench -- train`');
    expect(text).not.toContain('77.0');
    expect(layers).toBe('Not measured yet.');
  });

  it('name the GPU and its driver, and keep results of each type apart', () => {
    const device = { kind: 'cuda', name: 'NVIDIA H200', isa: 'sm_90', threads: 1 };
    const onGpu = (date: string, dtype: string) => {
      const { file, result } = train(date, 100);
      const where = { ...machine, device, gpu: { driver_version: '580.1' } };
      return { file, result: { ...result, machine: where, options: { ...result.options, dtype } } };
    };
    const { train: text } = report.sections([onGpu('2026-01-02', 'bf16'), onGpu('2026-01-01', 'f16')]);
    expect(text).toContain('batch 128, bf16, layout uniform: an NVIDIA H200, driver 580.1, 2026-01-02');
    expect(text).toContain('batch 128, f16, layout uniform: an NVIDIA H200, driver 580.1, 2026-01-01');
  });

  it('show where one layer breaks even', () => {
    const layer = {
      name: '3x3 64@56',
      theirs: { forward: 1, data: 1, weight: 1 },
      breakEven: 0.25,
      sums: [
        { sparsity: 0, speedup: 0.9 },
        { sparsity: 0.9, speedup: 4.321 },
      ],
    };
    const result = {
      ...train('2026-01-03', 1).result,
      benchmark: 'layers',
      options: { sparsities: [0, 0.9] },
      peaks: { secondLevel: 62.4 },
      layers: [layer, { ...layer, name: 'never', breakEven: null }],
    };
    const { layers } = report.sections([{ file: 'layers.json', result }]);
    expect(layers).toContain('| 3x3 64@56 | 25 % | 0.90 | 4.32 |');
    expect(layers).toContain('| never | none | 0.90 | 4.32 |');
    expect(layers).toContain('feeds 62 GFLOP/s');
  });

  it('show what the optimizer takes, per network, device and type', () => {
    const contestants = [
      {
        name: 's2sam s2sam dense',
        medianSecondsPerStep: 123.4e-6,
        bytesPerParameter: 28.25,
        gigabytesPerSecond: 34.56,
      },
    ];
    const what = 's2sam s2sam dense / pytorch foreach dense, times as fast';
    const result = (date: string, dtype: string) => ({
      ...train(date, 1).result,
      benchmark: 'optimizer',
      options: { model: 'resnet32', dtype },
      parameters: 1_860_000,
      contestants,
      ratios: [{ what, median: 4, min: 3, max: 5 }],
    });
    const { optimizer } = report.sections([
      { file: 'old.json', result: result('2026-01-04', 'f32') },
      { file: 'new.json', result: result('2026-01-05', 'f32') },
      { file: 'half.json', result: result('2026-01-04', 'bf16') },
    ]);
    expect(optimizer).toContain('1.9 million parameters, f32: 2 cores of A Processor');
    expect(optimizer).toContain('| s2sam s2sam dense | 123.4 | 28.25 | 34.6 |');
    expect(optimizer).toContain(`- ${what}: 4.00 (3.00 to 5.00)`);
    expect(optimizer).toContain('new.json');
    expect(optimizer).toContain('half.json');
    expect(optimizer).not.toContain('old.json');
  });

  it('replace what stands between their markers and nothing else', () => {
    const readme = 'a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb';
    expect(report.fill(readme, { x: 'new' })).toBe('a\n<!-- bench:x -->\nnew\n<!-- /bench:x -->\nb');
    expect(() => report.fill('nothing', { x: 'new' })).toThrow('README.md has no <!-- bench:x -->');
  });
});
