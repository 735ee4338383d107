import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asHtml, asMarkdown, asText } from '../src/compare/page.js';
import { makePlan, type Plan, type PlanSources } from '../src/compare/plan.js';
import { comparisons, type Outcome, remarks, tables } from '../src/compare/tables.js';
import { htmlTable, markdownTable, textTable } from '../src/report/table.js';
import type { Summary } from '../src/run/summary.js';
import { logged, lossesOf, run, start, stopAll } from './command.js';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 's2sam-compare-'));
});
afterAll(() => {
  stopAll();
  rmSync(dir, { recursive: true, force: true });
});

describe('plan', () => {
  const plan = (sources: Partial<PlanSources> = {}): Plan =>
    makePlan({
      preset: 'resnet32-cifar10-erk90',
      methods: ['static', 'rigl'],
      sparsities: [0.9, 0.95],
      seeds: [3, 5],
      ...sources,
    });

  it('is every method at every sparsity with every seed and optimizer', () => {
    const { cells, optimizers } = plan();
    expect(optimizers).toEqual(['sgd', 's2sam']);
    expect(cells).toHaveLength(16);
    expect(cells.map(({ name }) => name).slice(0, 5)).toEqual([
      'static-0.9-sgd-seed3',
      'static-0.9-s2sam-seed3',
      'static-0.9-sgd-seed5',
      'static-0.9-s2sam-seed5',
      'static-0.95-sgd-seed3',
    ]);
    expect(new Set(cells.map(({ name }) => name)).size).toBe(16);
    const cell = cells.find(({ name }) => name === 'rigl-0.95-s2sam-seed5');
    expect(cell?.config.sparsity).toEqual({ method: 'rigl', layout: 'erk', density: 0.05 });
    expect(cell?.config.train).toMatchObject({ seed: 5, epochs: 160, batchSize: 64 });
    expect(cell?.config.optimizer).toMatchObject({ name: 's2sam', rho: 0.05, weightDecay: 1e-4 });
  });

  it('differs between optimizers in nothing but the optimizer', () => {
    const [sgd, s2sam] = plan().cells;
    expect({ ...s2sam?.config, optimizer: sgd?.config.optimizer }).toEqual(sgd?.config);
  });

  it('reads variants, lists and sections from a file; the command line wins', () => {
    const file = join(dir, 'plan.yaml');
    writeFileSync(
      file,
      [
        'preset: resnet32-cifar10-erk90',
        'methods: [dense, { method: mest, stages: em&s }, chex, set]',
        'sparsities: [0.5]',
        'optimizers: [sgd, { name: s2sam, rho: 0.1 }]',
        'seeds: [7]',
        'train: { epochs: 2 }',
        'sparsity: { updateEvery: 9, layout: uniform, dense: stem }',
      ].join('\n'),
    );
    const { cells } = makePlan({ file, overrides: ['--train.batchSize=32'] });
    expect(cells.map(({ name }) => name)).toEqual([
      'dense-sgd-seed7',
      'dense-s2sam_rho=0.1-seed7',
      'mest_stages=em_s-0.5-sgd-seed7',
      'mest_stages=em_s-0.5-s2sam_rho=0.1-seed7',
      'chex-0.5-sgd-seed7',
      'chex-0.5-s2sam_rho=0.1-seed7',
      'set-0.5-sgd-seed7',
      'set-0.5-s2sam_rho=0.1-seed7',
    ]);
    const sparsities = cells.filter((_, i) => i % 2 === 1).map(({ config }) => config.sparsity);
    expect(sparsities).toEqual([
      { method: 'dense', density: 1 },
      { method: 'mest', density: 0.5, stages: 'em&s', dense: 'stem' },
      { method: 'chex', channelSparsity: 0.5 },
      { method: 'set', density: 0.5, layout: 'uniform', dense: 'stem', updateEvery: 9 },
    ]);
    expect(cells[1]).toMatchObject({
      optimizer: 's2sam(rho=0.1)',
      method: 'dense',
      sparsity: 0,
      config: { train: { epochs: 2, batchSize: 32 } },
    });
    expect(makePlan({ file, methods: ['static'], seeds: [1, 2] }).cells).toHaveLength(4);
  });

  it.each<[Partial<PlanSources>, string]>([
    [{ methods: ['rigll'] }, 'unknown method rigll; methods: dense, static, '],
    [{ methods: undefined }, 'no methods'],
    [{ sparsities: [] }, 'no sparsities'],
    [{ methods: ['set', 'set'] }, 'set is listed twice'],
    [{ seeds: [1, 1] }, 'name one twice'],
    [{ optimizers: ['adam'] }, 'optimizer.name is "adam"'],
    [{ preset: 'quickstart' }, 'train.timeBudget would give every cell another length'],
    [{ methods: ['chase'] }, 'sparsity.channelSparsity is missing'],
  ])('%j is wrong', (sources, message) => {
    expect(() => plan(sources)).toThrow(message);
    expect(() => plan(sources)).toThrow(ConfigError);
  });
});

/** Outcomes of made-up accuracies: seed -> [sgd, s2sam], of the last step; the best are 0.01 above. */
function outcomes(plan: Plan, accuracies: Readonly<Record<number, readonly [number, number]>>): Outcome[] {
  return plan.cells.map((cell): Outcome => {
    const accuracy = accuracies[cell.seed]?.[cell.optimizer === 'sgd' ? 0 : 1];
    if (accuracy === undefined) return { cell, finished: undefined };
    const summary = {
      testAccuracy: accuracy,
      bestTestAccuracy: accuracy + 0.01,
      density: 0.101,
      explored: 0.25,
      inferenceFlops: 0.1749,
      trainFlopsRatio: 0.18,
      imagesPerSecond: 200,
    } as Summary;
    return { cell, finished: { summary, firstMasks: `masks of seed ${cell.seed}` } };
  });
}

describe('tables', () => {
  const seeds = [0, 1, 2, 3, 4];
  const plan = makePlan({ preset: 'resnet32-cifar10-erk90', methods: ['rigl'], sparsities: [0.9], seeds });
  const sgd = [0.9307, 0.9281, 0.9322, 0.9295, 0.931];
  const s2sam = [0.9331, 0.9302, 0.9336, 0.9335, 0.9312];
  const all = Object.fromEntries(seeds.map((seed) => [seed, [sgd[seed], s2sam[seed]] as [number, number]]));

  it('hold means, deviations and the paired difference with its interval', () => {
    const [last, best, cost] = tables(plan, outcomes(plan, all));
    // Deviations from NumPy with one degree of freedom less, the interval with t = 2.776 for 4 degrees of freedom.
    expect(last?.rows).toEqual([['rigl', '90.0%', '93.03 ± 0.16', '93.23 ± 0.15', '+0.20 [+0.03, +0.38]']]);
    expect(best?.rows[0]?.slice(2)).toEqual(['94.03 ± 0.16', '94.23 ± 0.15', '+0.20 [+0.03, +0.38]']);
    expect(last?.head).toEqual(['method', 'sparsity', 'sgd', 's2sam', 's2sam - sgd']);
    expect(cost?.rows).toEqual([
      ['rigl', 'sgd', '90.0%', '89.90%', '25.00%', '0.1749', '0.1800', '200'],
      ['rigl', 's2sam', '90.0%', '89.90%', '25.00%', '0.1749', '0.1800', '200'],
    ]);
    const [, second] = comparisons(plan, outcomes(plan, all));
    expect(second?.lastDifference?.low).toBeCloseTo(0.0002896709391641175, 9);
    expect(remarks(plan, outcomes(plan, all))).toEqual([]);
  });

  it('say what is missing', () => {
    const some = outcomes(plan, { 0: [0.5, 0.6], 1: [0.7, 0.75] });
    expect(tables(plan, some)[0]?.rows[0]?.slice(2)).toEqual([
      '60.00 ± 14.14 (2 of 5)',
      '67.50 ± 10.61 (2 of 5)',
      '+7.50 [-24.27, +39.27]',
    ]);
    expect(remarks(plan, some)).toEqual(['6 of 10 cells are not finished']);
    expect(tables(plan, outcomes(plan, {}))[0]?.rows[0]?.slice(2)).toEqual(['-', '-', '-']);
    expect(tables(plan, outcomes(plan, { 2: [0.5, 0.4] }))[0]?.rows[0]?.slice(2)).toEqual([
      '50.00 (1 of 5)',
      '40.00 (1 of 5)',
      '-10.00',
    ]);
  });

  it('say where first masks were not shared', () => {
    const found = outcomes(plan, all).map((outcome, i) =>
      i === 3 && outcome.finished !== undefined
        ? { ...outcome, finished: { ...outcome.finished, firstMasks: 'others' } }
        : outcome,
    );
    expect(remarks(plan, found)).toEqual(['first masks of rigl at 90.0%, seed 1, differ between optimizers']);
  });

  it('are text, Markdown and HTML', () => {
    const table = {
      title: 'A < B',
      head: ['method', 'value'],
      rows: [
        ['a|b', '1.5'],
        ['<i>', '10.25'],
      ],
    };
    expect(textTable(table)).toEqual(['method  value', 'a|b       1.5', '<i>     10.25']);
    expect(markdownTable(table)).toBe(
      ['### A < B', '', '| method | value |', '| --- | ---: |', '| a\\|b | 1.5 |', '| <i> | 10.25 |'].join('\n'),
    );
    expect(htmlTable(table)).toContain('<tr><td>&lt;i&gt;</td><td class="count">10.25</td></tr>');
    const findings = { title: 'x on y', synthetic: true, tables: [table], remarks: ['2 of 3 cells are not finished'] };
    for (const text of [asText(findings), asMarkdown(findings), asHtml(findings, { style: '' })]) {
      expect(text).toContain('Synthetic data');
      expect(text).toContain('2 of 3 cells are not finished');
    }
    expect(asHtml(findings, { style: '' })).not.toMatch(/(src|href)="(?!data:)/);
  });
});

describe('s2sam compare', () => {
  const settings = (steps: number): string[] => [
    '--methods=static,rigl',
    '--sparsities=0.9',
    '--seeds=0,1',
    '--model=resnet20',
    '--data=procedural',
    '--data.imageSize=16',
    '--data.trainImages=40',
    '--data.testImages=20',
    '--train.batchSize=10',
    `--train.steps=${steps}`,
    '--optimizer.lr=0.05',
    '--sparsity.updateEvery=3',
    '--device.kind=cpu',
    '--device.threads=1',
  ];
  const compare = (out: string, steps: number, ...args: string[]) =>
    run(dir, ['compare', ...settings(steps), `--out=${out}`, ...args]);
  const cells = (out: string): string[] =>
    readdirSync(join(dir, out)).filter((name) => statSync(join(dir, out, name)).isDirectory());

  it('runs every cell once, prints the table, and called again skips what is finished', async () => {
    const first = await compare('once', 6);
    expect(first.code).toBe(0);
    expect(cells('once')).toHaveLength(8);
    expect(first.stdout).toMatch(/^rigl +90\.0% +\d+\.\d\d ± \d+\.\d\d +.*\[.*, .*\]$/m);
    expect(first.stdout).toContain('Synthetic data');
    for (const name of cells('once')) {
      for (const file of ['config.yaml', 'metrics.jsonl', 'last.safetensors', 'summary.json', 'report.html'])
        expect(existsSync(join(dir, 'once', name, file)), `${name}/${file}`).toBe(true);
    }
    expect(readFileSync(join(dir, 'once', 'comparison.txt'), 'utf8')).toBe(first.stdout);

    const before = cells('once').map((name) => readFileSync(join(dir, 'once', name, 'metrics.jsonl'), 'utf8'));
    const again = await compare('once', 6, '--format=markdown');
    expect(again.code).toBe(0);
    expect(again.stderr.match(/finished before/g)).toHaveLength(8);
    expect(cells('once').map((name) => readFileSync(join(dir, 'once', name, 'metrics.jsonl'), 'utf8'))).toEqual(before);
    expect(again.stdout).toBe(readFileSync(join(dir, 'once', 'comparison.md'), 'utf8'));
    expect((await compare('once', 6, '--list')).lines).toHaveLength(8);

    const other = await compare('once', 7);
    expect([
      other.code,
      other.stderr.match(/holds a run with train\.steps 6, now 7; choose another --out/)?.length,
    ]).toEqual([2, 1]);
  });

  it('shares weights, data order and first masks between optimizers, and nothing between seeds', () => {
    const startOf = (name: string) => logged(join(dir, 'once', name, 'metrics.jsonl'))[0];
    const losses = (name: string) => [...lossesOf(join(dir, 'once', name, 'metrics.jsonl')).values()];
    for (const method of ['static', 'rigl']) {
      // S2-SAM perturbs from the second step on: the first losses are equal where weights, images and masks are.
      expect(losses(`${method}-0.9-sgd-seed0`)[0]).toBe(losses(`${method}-0.9-s2sam-seed0`)[0]);
      expect(losses(`${method}-0.9-sgd-seed0`)[3]).not.toBe(losses(`${method}-0.9-s2sam-seed0`)[3]);
      expect(losses(`${method}-0.9-sgd-seed1`)[0]).not.toBe(losses(`${method}-0.9-sgd-seed0`)[0]);
      expect(startOf(`${method}-0.9-sgd-seed0`)?.checksum).toBe(startOf(`${method}-0.9-s2sam-seed0`)?.checksum);
      expect(startOf(`${method}-0.9-sgd-seed0`)?.checksum).not.toBe(startOf(`${method}-0.9-sgd-seed1`)?.checksum);
    }
    // The same random masks begin both methods.
    expect(startOf('static-0.9-sgd-seed0')?.checksum).toBe(startOf('rigl-0.9-sgd-seed0')?.checksum);
  });

  it('killed in the middle of a cell, goes on from its checkpoint, with the same numbers', async () => {
    const args = ['--methods=rigl', '--optimizers=s2sam', '--seeds=0'];
    const straight = await compare('straight', 60, ...args);
    expect(straight.code).toBe(0);
    const { child, finished } = start(dir, ['compare', ...settings(60), '--out=killed', ...args]);
    const cell = join(dir, 'killed', 'rigl-0.9-s2sam-seed0');
    while (lossesOf(join(cell, 'metrics.jsonl')).size < 10) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGKILL');
    await finished;
    const done = lossesOf(join(cell, 'metrics.jsonl')).size;
    expect(done).toBeLessThan(60);
    const resumed = await compare('killed', 60, ...args);
    expect(resumed.code).toBe(0);
    expect(resumed.stderr).toContain('going on');
    const log = (out: string) => join(dir, out, 'rigl-0.9-s2sam-seed0', 'metrics.jsonl');
    expect(lossesOf(log('killed'))).toEqual(lossesOf(log('straight')));
    // It did not begin anew: the second start stands behind the first.
    expect(
      logged(log('killed'))
        .filter(({ type }) => type === 'start')
        .map(({ startStep }) => Number(startStep) > 0),
    ).toEqual([false, true]);
  });

  it('Ctrl-C saves the cell and leaves with 130; a diverged cell does not stop the others', async () => {
    const { child, finished } = start(dir, ['compare', ...settings(4000), '--out=stopped']);
    while (!existsSync(join(dir, 'stopped', 'static-0.9-sgd-seed0', 'metrics.jsonl')))
      await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    const stopped = await finished;
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toContain('the same command goes on');

    const diverged = await compare('diverged', 4, '--methods=static', '--seeds=0', '--optimizer.lr=1e30');
    expect(diverged.code).toBe(1);
    expect(diverged.stderr.match(/warning: .*the loss is/g)).toHaveLength(2);
  });
});
