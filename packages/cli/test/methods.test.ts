import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createModel, openDevice } from '@s2sam/core';
import { er, erk, type LayerShape, rules, uniform } from '@s2sam/masks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { methodNames } from '../src/sparsity/methods.js';
import { logged, lossesOf, run, start, stopAll } from './command.js';

let dir: string;
let layers: LayerShape[];
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 's2sam-methods-'));
  await using device = await openDevice('cpu', { threads: 1 });
  using model = createModel('resnet20', { device });
  layers = [...model.namedParameters().values()]
    .filter(({ kind }) => kind === 'weight')
    .map(({ name, shape, size, role }) => ({
      name,
      shape,
      size,
      role,
      kind: shape.length === 4 ? 'conv2d' : 'linear',
    }));
});
afterAll(() => {
  stopAll();
  rmSync(dir, { recursive: true, force: true });
});

/** Ten steps to the epoch; a hundred in all. */
const training = [
  '--model=resnet20',
  '--data=procedural',
  '--data.imageSize=16',
  '--data.trainImages=50',
  '--data.testImages=20',
  '--train.batchSize=5',
  '--train.evaluateEvery=0',
  '--optimizer.lr=0.02',
  '--device.kind=cpu',
  '--device.threads=1',
];

interface Case {
  readonly options: readonly string[];
  readonly steps?: number;
  /** Weights kept in the end; undefined where channels are counted. */
  readonly kept?: () => number;
}

const total = (allocation: ReadonlyMap<string, number>): number => [...allocation.values()].reduce((a, b) => a + b, 0);
const byErk = (): number => total(erk().allocate(layers, 0.1));
const byMest = (): number => total(uniform({ dense: rules.mest }).allocate(layers, 0.1));
/** All but floor(0.9 * N). */
const globally = (): number => {
  const size = layers.reduce((sum, layer) => sum + layer.size, 0);
  return size - Math.floor(0.9 * size + 1e-6);
};

const every10 = '--sparsity.updateEvery=10';
const everyEpoch = '--sparsity.updateEveryEpochs=1';

const cases: Readonly<Record<(typeof methodNames)[number] | 'mest (soft bound)', Case>> = {
  static: { options: ['--sparsity.layout=er'], kept: () => total(er().allocate(layers, 0.1)) },
  snip: { options: [], kept: globally },
  grasp: { options: ['--sparsity.perClass=4'], kept: globally },
  lt: { options: [], steps: 8, kept: globally },
  set: { options: [every10], kept: byErk },
  dsr: { options: ['--sparsity.periods=[{from: 0, updateEvery: 10}]'], kept: byMest },
  rigl: { options: [every10], kept: byErk },
  mest: { options: [everyEpoch], kept: byMest },
  'mest (soft bound)': { options: [everyEpoch, '--sparsity.stages=em&s'], kept: byMest },
  snfs: { options: [every10], kept: byErk },
  gradual: { options: [every10], kept: () => total(uniform().allocate(layers, 0.1)) },
  chase: { options: [every10, '--sparsity.channelSparsity=0.3'], kept: globally },
  chex: { options: [everyEpoch] },
};

const staysPut = ['static', 'snip', 'grasp'];

describe('every method trains, resumes and ends at its target through the command', () => {
  it('none is left out', () => {
    expect(
      Object.keys(cases)
        .filter((name) => !name.includes(' '))
        .sort(),
    ).toEqual([...methodNames].sort());
  });

  it.each(Object.entries(cases))(
    '%s',
    async (name, { options, steps = 100, kept }) => {
      const method = name.split(' ')[0] as string;
      const amount = method === 'chex' ? '--sparsity.channelSparsity=0.5' : '--sparsity.density=0.1';
      const settings = [...training, `--train.steps=${steps}`, `--sparsity.method=${method}`, amount, ...options];
      const log = (folder: string): string => join(dir, folder, 'metrics.jsonl');
      const masks = (folder: string) => logged(log(folder)).filter(({ type }) => type === 'mask');

      const whole = await run(dir, ['train', '--preset=quickstart', ...settings, `--output.dir=${name}-whole`]);
      expect({ code: whole.code, stderr: whole.stderr }).toEqual({ code: 0, stderr: '' });

      const killed = start(dir, ['train', '--preset=quickstart', ...settings, `--output.dir=${name}-killed`]);
      const last = join(dir, `${name}-killed`, 'last.safetensors');
      while (lossesOf(log(`${name}-killed`)).size < 25 || !existsSync(last)) {
        if (killed.child.exitCode !== null) throw new Error('it ended too early');
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      killed.child.kill('SIGKILL');
      await killed.finished;
      const resumed = await run(dir, ['resume', `${name}-killed`]);
      expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 0, stderr: '' });

      expect(lossesOf(log(`${name}-killed`))).toEqual(lossesOf(log(`${name}-whole`)));
      // Masks after the resumption are those of the run that went straight through.
      const goesOn = logged(log(`${name}-killed`)).findLast(({ type }) => type === 'start')?.startStep as number;
      expect(goesOn).toBeGreaterThan(0);
      const sumsAfter = (folder: string) =>
        new Map(masks(folder).flatMap(({ step, checksum }) => (Number(step) > goesOn ? [[step, checksum]] : [])));
      expect(sumsAfter(`${name}-killed`)).toEqual(sumsAfter(`${name}-whole`));
      if (staysPut.includes(method)) expect(masks(`${name}-whole`)).toEqual([]);
      else expect(sumsAfter(`${name}-whole`).size).toBeGreaterThan(0);

      const end = logged(log(`${name}-whole`)).findLast(({ type }) => type === 'epoch') as { layers?: unknown };
      const found = (end.layers as { kept: number }[]).reduce((sum, layer) => sum + layer.kept, 0);
      if (kept !== undefined) expect(found).toBe(kept());
      else expect(found).toBeLessThan(layers.reduce((sum, { size }) => sum + size, 0) * 0.6);
      const [ends, again] = ['whole', 'killed'].map((which) => logged(log(`${name}-${which}`)).at(-1));
      for (const key of ['explored', 'trainFlops', 'density']) expect(again?.[key]).toBe(ends?.[key]);
    },
    300_000,
  );

  it('a training in rounds cannot be made longer: its rounds would not fit', async () => {
    const { code, stderr } = await run(dir, ['resume', 'lt-whole', '--train.steps=9']);
    expect(stderr).toMatch(/^error: resume: lt-whole trains in rounds of equal length, 96 steps in all; with 108 /);
    expect(code).toBe(2);
  });
});
