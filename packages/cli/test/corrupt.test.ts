import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, stopAll } from './command.js';

const data = process.env.S2SAM_DATA;
const real = data !== undefined && existsSync(join(data, 'cifar-10-batches-bin'));

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 's2sam-corrupt-'));
});
afterAll(() => {
  stopAll();
  rmSync(dir, { recursive: true, force: true });
});

describe.skipIf(!real)('s2sam corrupt and eval --corruptions on CIFAR-10 (needs S2SAM_DATA)', () => {
  it('tells of a network by corruption and severity, marked as generated', async () => {
    const choice = ['--only', 'gaussian_noise,contrast', '--severities', '1,5', '--images', '200'];
    const made = await run(dir, ['corrupt', 'small', ...choice]);
    expect([made.code, made.stderr]).toEqual([0, '']);
    expect(made.lines.at(-1)).toBe('written    small: 2 corruptions of cifar10, generated: not the released files');
    expect(readdirSync(join(dir, 'small')).sort()).toEqual([
      'contrast.npy',
      'gaussian_noise.npy',
      'generated.json',
      'labels.npy',
    ]);

    const settings = ['--model=resnet20', '--data=cifar10', '--train.steps=12', '--train.batchSize=50'];
    const trained = await run(dir, [
      'train',
      '--preset=quickstart',
      ...settings,
      '--output.dir=run',
      '--train.evaluateEvery=0',
    ]);
    expect([trained.code, trained.stderr]).toEqual([0, '']);
    const evaluated = await run(dir, ['eval', 'run', '--corruptions', 'small', '--json']);
    expect(evaluated.code).toBe(0);
    const result = JSON.parse(evaluated.stdout);
    expect(result).toMatchObject({
      dataset: 'cifar10-c-generated',
      generated: true,
      mean: { cells: 4, of: 75, complete: false },
    });
    const accuracies = result.corruptions.map(({ accuracies }: { accuracies: (number | null)[] }) => accuracies);
    expect(accuracies).toEqual([
      [expect.any(Number), null, null, null, expect.any(Number)],
      [expect.any(Number), null, null, null, expect.any(Number)],
    ]);
    expect(result).not.toHaveProperty('mce');

    const table = await run(dir, ['eval', 'run', '--corruptions', 'small', '--only', 'contrast']);
    expect(table.code).toBe(0);
    expect(table.stdout).toMatch(/contrast +digital/);
    expect(table.stdout).not.toMatch(/^gaussian_noise/m);
    expect(table.stdout).toMatch(/^clean \(cifar10 test\): acc \d+\.\d\d%$/m);
    expect(table.stdout).toContain('[generated, not the released files]');
  });

  it('refuses other data sets, and options without a folder', async () => {
    const other = await run(dir, ['corrupt', 'other', '--data=procedural']);
    expect([other.code, other.stderr]).toEqual([
      2,
      expect.stringContaining('only cifar10 and cifar100 can be corrupted'),
    ]);
    const alone = await run(dir, ['eval', 'run', '--severities', '1']);
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining('name their folder with --corruptions')]);
  });
});
