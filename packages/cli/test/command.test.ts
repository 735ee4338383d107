import { exec, execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { bin, logged, lossesOf, run, start, stopAll, tiny } from './command.js';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 's2sam-command-'));
});
afterAll(() => {
  stopAll();
  rmSync(dir, { recursive: true, force: true });
});

const at = (...parts: string[]): string => join(dir, ...parts);
const jsonOf = (text: string | undefined): Record<string, unknown> => JSON.parse(text ?? '') as Record<string, unknown>;
const readConfig = (folder: string): Record<string, Record<string, unknown>> =>
  parse(readFileSync(at(folder, 'config.yaml'), 'utf8')) as Record<string, Record<string, unknown>>;

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 3000) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a whole run', () => {
  beforeAll(async () => {
    const { code, lines, stderr } = await run(dir, [...tiny(30), '--output.dir=whole', '--summary', 'json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    writeFileSync(at('whole.out'), lines.join('\n'));
  });
  const output = (): string[] => readFileSync(at('whole.out'), 'utf8').split('\n');

  it('leaves its files', () => {
    const files = readdirSync(at('whole')).map((file) => file.replace(/^events\.out\.tfevents\..*/, 'events'));
    const expected = [
      'best.safetensors',
      'config.yaml',
      'events',
      'last.safetensors',
      'metrics.jsonl',
      'report.html',
      'summary.json',
    ];
    expect(files.sort()).toEqual(expected);
  });

  it('ends with one JSON object, the same as summary.json', () => {
    const summary = jsonOf(output().at(-1));
    expect(summary).toEqual(jsonOf(readFileSync(at('whole', 'summary.json'), 'utf8')));
    expect(summary).toMatchObject({ synthetic: true, dataset: 'procedural-16x16', reason: 'finished', step: 30 });
    expect(summary.testAccuracy).toBeGreaterThanOrEqual(0);
    expect(summary.density).toBeCloseTo(0.1, 3);
    for (const key of ['trainSeconds', 'imagesPerSecond']) expect(summary[key]).toBeGreaterThan(0);
    for (const key of ['checkpoint', 'report']) expect(existsSync(at(String(summary[key])))).toBe(true);
  });

  it('prints a line per interval and per epoch, each marked as made up', () => {
    const lines = output().filter((line) => line.startsWith('epoch '));
    expect(lines.filter((line) => line.includes(' step '))).toHaveLength(6);
    expect(lines.filter((line) => line.includes(' done '))).toHaveLength(3);
    expect(lines.every((line) => line.endsWith('[synthetic data]'))).toBe(true);
  });

  it('logs every step once, with finite numbers', () => {
    const events = logged(at('whole', 'metrics.jsonl'));
    expect(events.map(({ type }) => type).filter((type) => type !== 'step')).toEqual([
      'start',
      'kernels',
      'epoch',
      'epoch',
      'epoch',
      'end',
    ]);
    const losses = [...lossesOf(at('whole', 'metrics.jsonl'))];
    expect(losses.map(([step]) => step)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(losses.every(([, loss]) => Number.isFinite(loss))).toBe(true);
  });

  it('saves the configuration that makes the same run again', async () => {
    const { code } = await run(dir, ['train', '--config=whole/config.yaml', '--output.dir=again', '--train.steps=30']);
    expect(code).toBe(0);
    expect(readConfig('again')).toEqual(readConfig('whole'));
    expect(lossesOf(at('again', 'metrics.jsonl'))).toEqual(lossesOf(at('whole', 'metrics.jsonl')));
  });

  it('can be evaluated: its folder, its checkpoint, with JSON and without', async () => {
    const json = await run(dir, ['eval', 'whole/last.safetensors', '--json']);
    expect(json.code).toBe(0);
    expect(json.lines).toHaveLength(1);
    const result = jsonOf(json.stdout);
    expect(result).toMatchObject({
      model: 'resnet20',
      step: 30,
      images: 40,
      synthetic: true,
      dataset: 'procedural-16x16',
    });
    expect(result.accuracy).toBe(jsonOf(readFileSync(at('whole', 'summary.json'), 'utf8')).testAccuracy);
    const text = await run(dir, ['eval', 'whole', '--data.testImages=20']);
    expect(text.lines.at(-1)).toMatch(
      /^resnet20 on procedural-16x16 test {2}acc .* {2}20 images .*\[synthetic data\]$/,
    );
  });

  it('has a report that can be made elsewhere', async () => {
    const { code, stdout } = await run(dir, ['report', 'whole', '--out', 'elsewhere.html']);
    expect([code, stdout]).toEqual([0, 'elsewhere.html\n']);
    expect(readFileSync(at('elsewhere.html'), 'utf8')).toBe(readFileSync(at('whole', 'report.html'), 'utf8'));
  });

  it('is not overwritten, and not resumed past its end', async () => {
    const again = await run(dir, [...tiny(30), '--output.dir=whole']);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(
      /^error: output\.dir whole holds a run already; go on with 's2sam resume whole'.*\(ERR_IO\)\n$/,
    );
    const resumed = await run(dir, ['resume', 'whole']);
    expect(resumed.code).toBe(2);
    expect(resumed.stderr).toMatch(
      /^error: resume: whole has done all of its 30 steps; .*--train\.steps=60 \(ERR_CONFIG\)\n$/,
    );
    const longer = await run(dir, ['resume', 'whole', '--train.steps=32', '--summary=json']);
    expect(longer.code).toBe(0);
    expect(jsonOf(longer.lines.at(-1))).toMatchObject({ step: 32, totalSteps: 32 });
    expect(readConfig('whole').train?.steps).toBe(32);
  });
});

describe('data that cannot be had', () => {
  const nowhere = (): Record<string, string> => ({ S2SAM_DATA: '', XDG_CACHE_HOME: at('no cache') });
  const cifar = ['--data=cifar10', '--data.download=false'];

  it('is an error that says what to do', async () => {
    const { code, stderr } = await run(
      dir,
      [...tiny(2), ...cifar, '--data.fallback=false', '--output.dir=none'],
      nowhere(),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: cifar10 is in none of .*\(ERR_DATA\)\n$/);
    expect(existsSync(at('none'))).toBe(false);
  });

  it('gives way to made-up images where that is allowed: the user is told, and the saved configuration tells it', async () => {
    const { code, stdout } = await run(dir, [...tiny(2), ...cifar, '--output.dir=fallback'], nowhere());
    expect(code).toBe(0);
    expect(stdout).toMatch(/^made-up images \(procedural-16x16\) in place of cifar10/m);
    expect(readConfig('fallback').data).toMatchObject({ name: 'procedural', classes: 10, imageSize: 16 });
    expect(logged(at('fallback', 'metrics.jsonl')).every(({ synthetic }) => synthetic === true)).toBe(true);
    expect((await run(dir, ['resume', 'fallback', '--train.steps=3'])).code).toBe(0);
  });
});

describe('Ctrl-C', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    '%s finishes the step, saves, says how to go on; resuming is exact',
    async (signal) => {
      const whole = await run(dir, [...tiny(60), `--output.dir=straight-${signal}`]);
      expect(whole.code).toBe(0);
      const folder = `it's stopped by ${signal}`;
      const { child, finished } = start(dir, [...tiny(60), `--output.dir=${folder}`, '--summary=json']);
      const log = at(folder, 'metrics.jsonl');
      await until(() => lossesOf(log).size >= 7);
      child.kill(signal);
      const stopped = await finished;
      expect(stopped.code).toBe(130);
      const said = 'interrupted; go on with: ';
      const hint = stopped.lines.find((line) => line.startsWith(said))?.slice(said.length) ?? '';
      expect(jsonOf(stopped.lines.at(-1))).toMatchObject({
        reason: 'aborted',
        checkpoint: `${folder}/last.safetensors`,
      });
      const done = lossesOf(log).size;
      expect(done).toBeLessThan(60);
      // As a user would: in a shell, in the same folder. A failure rejects.
      const resumed = await promisify(exec)(hint, { cwd: dir });
      expect(resumed.stdout).toContain(`going on at step ${done} of 60`);
      expect(lossesOf(log)).toEqual(lossesOf(at(`straight-${signal}`, 'metrics.jsonl')));
    },
  );

  it('a second one ends at once', async () => {
    const { child, finished } = start(dir, [...tiny(5000), '--output.dir=twice']);
    await until(() => lossesOf(at('twice', 'metrics.jsonl')).size >= 1);
    // Both signals are there before the process can answer the first.
    child.kill('SIGSTOP');
    child.kill('SIGINT');
    child.kill('SIGTERM');
    child.kill('SIGCONT');
    const { code, stdout } = await finished;
    expect(code).toBe(130);
    expect(stdout).not.toContain('go on with');
  });
});

describe('time budget', () => {
  it('becomes steps before training, and the saved configuration names them', async () => {
    const budget = tiny(1).filter((arg) => !arg.startsWith('--train.steps'));
    const { code, stdout } = await run(dir, [...budget, '--train.timeBudget=2s', '--output.dir=budget']);
    expect(code).toBe(0);
    const { train } = readConfig('budget');
    expect(train).not.toHaveProperty('timeBudget');
    expect(train?.steps).toBeGreaterThanOrEqual(1);
    expect(stdout).toContain(`${String(train?.steps)} steps from a budget of 2s`);
    expect(lossesOf(at('budget', 'metrics.jsonl')).size).toBe(train?.steps);
    expect(readFileSync(at('budget', 'config.yaml'), 'utf8')).toMatch(
      /^# preset quickstart\n# \d+ steps from a budget of 2s at /,
    );
  });
});

describe('Ctrl-C while the speed is measured', () => {
  it('leaves nothing behind', async () => {
    const budget = tiny(1).filter((arg) => !arg.startsWith('--train.steps'));
    const { child, finished } = start(dir, [...budget, '--train.timeBudget=24h', '--output.dir=early']);
    let seen = '';
    child.stdout?.on('data', (text) => {
      seen += String(text);
    });
    await until(() => seen.includes('measuring the speed'));
    child.kill('SIGINT');
    const { code, lines } = await finished;
    expect(code).toBe(130);
    expect(lines.at(-1)).toBe('interrupted before training began; nothing was saved');
    expect(existsSync(at('early'))).toBe(false);
  });
});

describe('things that go wrong', () => {
  it.each([
    [
      ['train', '--optimizer.roh=0.1'],
      2,
      /^error: unknown key optimizer\.roh; did you mean optimizer\.rho\? \(ERR_CONFIG\)\n$/,
    ],
    [['train', '--preset=quick'], 2, /^error: unknown preset quick; .*'s2sam presets' lists all \(ERR_CONFIG\)\n$/],
    [['train', '--config=missing.yaml'], 1, /^error: config: missing\.yaml: .*\(ENOENT\) \(ERR_IO\)\n$/],
    [['train', '--summary=xml'], 2, /Allowed choices are text, json/],
    [['train', '--device=cuda', '--data=procedural'], 1, /cuda is not usable: .* \(ERR_DEVICE_UNAVAILABLE\)/],
    [['frobnicate'], 2, /unknown command 'frobnicate'/],
    [['resume', 'nowhere'], 1, /^error: resume: nowhere does not exist/],
    [['eval', 'nowhere.safetensors'], 1, /^error: .*nowhere\.safetensors/],
    [['report', 'nowhere'], 1, /^error: report: nowhere is no run folder/],
  ])('%j: exit code %i', async (args, code, message) => {
    const finished = await run(dir, args);
    expect(finished.stderr).toMatch(message);
    expect(finished.stderr).not.toMatch(/\n\s+at /);
    expect(finished.code).toBe(code);
  });

  it('shows the stack when asked', async () => {
    const { stderr } = await run(dir, ['train', '--optimizer.roh=0.1'], { S2SAM_DEBUG: '1' });
    expect(stderr).toMatch(/\n\s+at /);
  });

  it('a file that is no checkpoint', async () => {
    writeFileSync(at('broken.safetensors'), 'not a checkpoint');
    const { code, stderr } = await run(dir, ['eval', 'broken.safetensors']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: .*broken\.safetensors.*\(ERR_CHECKPOINT\)\n$/s);
  });

  it('a folder that cannot be made, before any training', async () => {
    writeFileSync(at('file'), '');
    const { code, stderr, stdout } = await run(dir, [...tiny(1), '--output.dir=file/run']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: output\.dir: file\/run: .*\(ERR_IO\)\n$/);
    expect(stdout).toBe('');
  });

  it.skipIf(!existsSync('/dev/full'))('a log on a full disk: the run goes on and says so once', async () => {
    mkdirSync(at('full'));
    symlinkSync('/dev/full', at('full', 'metrics.jsonl'));
    const { code, stderr } = await run(dir, [...tiny(3), '--output.dir=full', '--summary=json']);
    expect(stderr.match(/metrics\.jsonl failed, training goes on: .*no space is left/g)).toHaveLength(1);
    expect(existsSync(at('full', 'last.safetensors'))).toBe(true);
    expect(code).toBe(0);
  });

  it('a last checkpoint that cannot be written is a failure, after everything else was saved', async () => {
    mkdirSync(at('stuck', 'last.safetensors', 'in the way'), { recursive: true });
    const { code, stderr } = await run(dir, [...tiny(3), '--output.dir=stuck']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/warning: checkpoint not written, training goes on: .*last\.safetensors/);
    expect(stderr).toMatch(/\nerror: .*last\.safetensors/);
    for (const file of ['best.safetensors', 'summary.json', 'report.html'])
      expect(existsSync(at('stuck', file))).toBe(true);
  });

  it('a loss that is no number any more: an error with a remedy, and a report of what was', async () => {
    const { code, stderr } = await run(dir, [...tiny(30), '--optimizer.lr=1e30', '--output.dir=diverged']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: train: the loss is \S+ at step \d+;.*\(ERR_NON_FINITE\)\n$/s);
    expect(readFileSync(at('diverged', 'report.html'), 'utf8')).toContain('not finished');
    expect(lossesOf(at('diverged', 'metrics.jsonl')).size).toBeLessThan(30);
  });

  it('a pipe that closes does not end the training', async () => {
    const { child, finished } = start(dir, [...tiny(12), '--output.dir=piped']);
    child.stdout?.destroy();
    expect((await finished).code).toBe(0);
    expect(lossesOf(at('piped', 'metrics.jsonl')).size).toBe(12);
  });

  it('a checkout that has not been built says what to do', async () => {
    mkdirSync(at('unbuilt', 'bin'), { recursive: true });
    copyFileSync(bin, at('unbuilt', 'bin', 's2sam.mjs'));
    const failed = promisify(execFile)(process.execPath, [at('unbuilt', 'bin', 's2sam.mjs')]);
    await expect(
      failed.catch(({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr })),
    ).resolves.toEqual({
      code: 1,
      stderr: 'error: s2sam has not been built; run `npm run setup` in the root of the project first\n',
    });
  });
});

describe('doctor', () => {
  it('finds everything in order', async () => {
    const { code, stdout, lines } = await run(dir, ['doctor', '--json']);
    expect(lines).toHaveLength(1);
    const { ok, checks, selfTest } = jsonOf(stdout) as {
      ok: boolean;
      checks: Record<string, { ok: boolean | null; detail: string }>;
      selfTest: { passed: boolean; error: number; gflops: number };
    };
    expect([code, ok, selfTest.passed]).toEqual([0, true, true]);
    expect(selfTest.error).toBeLessThan(1e-5);
    expect(selfTest.gflops).toBeGreaterThan(0);
    expect(checks.binary?.detail).toMatch(/s2sam_cpu\.node, version \d/);
    expect(checks.cuda?.detail).toMatch(/^not used: ./);
    expect(checks.instructions?.detail).toMatch(/^compiled .*baseline.*; used \w+/);
  });

  it('fails, and says why, when the binary is not there', async () => {
    const { code, stdout } = await run(dir, ['doctor'], { S2SAM_CPU_BINARY: '/nowhere/s2sam_cpu.node' });
    expect(code).toBe(1);
    expect(stdout).toMatch(/! device .*cannot be loaded/);
    expect(stdout).toMatch(/something needed does not work/);
  });
});

describe('help', () => {
  it('lists every setting and shows examples', async () => {
    const { code, stdout } = await run(dir, ['train', '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/--optimizer\.rho +radius of the perturbation.*a number >= 0 \[0\.05\]/);
    expect(stdout).toContain('$ s2sam train --preset quickstart');
  });

  it('explains the exit codes', async () => {
    expect((await run(dir, ['--help'])).stdout).toMatch(/Exit codes: 0 done, 1 failed, 2 .*130 interrupted/);
  });
});
