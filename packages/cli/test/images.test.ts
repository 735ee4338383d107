import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensors, type StoredTensor } from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodes, writeImageTree } from '../../../test/support/imageTree.js';
import { logged, lossesOf, run, start, stopAll } from './command.js';

/** 1500 photographs of ImageNet, cut to 224 x 224, where they are at hand. */
const photographs = join(process.env.S2SAM_DATA ?? '', 'imagenette');
const real = process.env.S2SAM_DATA !== undefined && existsSync(photographs);

let dir: string;
let root: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 's2sam-images-'));
  root = real ? photographs : join(dir, 'tree');
  if (!real) await writeImageTree(root, 10, 4);
});
afterAll(() => {
  stopAll();
  rmSync(dir, { recursive: true, force: true });
});

const at = (...parts: string[]): string => join(dir, ...parts);

/** ResNet-50 with a tenth of its weights, RigL with an update within the run. */
const settings = (from: string, steps: number): string[] => [
  '--model=resnet50',
  '--data=images',
  `--data.root=${from}`,
  '--data.imageSize=64',
  `--train.steps=${steps}`,
  '--train.batchSize=8',
  '--train.labelSmoothing=0.1',
  '--train.evaluateEvery=0',
  '--optimizer.lr=0.02',
  '--optimizer.schedule=constant',
  '--optimizer.decayWeightsOnly=true',
  '--sparsity.method=rigl',
  '--sparsity.density=0.1',
  '--sparsity.updateEvery=4',
  '--output.logEvery=1',
  '--device.kind=cpu',
];

const train = (output: string, steps: number, from = root, extra: readonly string[] = []): string[] => [
  'train',
  '--config=empty.yaml',
  ...settings(from, steps),
  `--output.dir=${output}`,
  ...extra,
];

async function tensorsOf(path: string): Promise<Map<string, string>> {
  const { tensors } = await readSafetensors(path);
  const hash = ({ data }: StoredTensor) => createHash('sha256').update(data).digest('hex');
  return new Map([...tensors].map(([name, tensor]) => [name, hash(tensor)]));
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 3000) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const stepsIn = (folder: string): number =>
  logged(at(folder, 'metrics.jsonl')).filter(({ type }) => type === 'step').length;

const what = real ? 'photographs of ImageNet' : 'small JPEG files (no S2SAM_DATA)';

describe.skipIf(!decodes)(`ResNet-50 at 90 % on ${what} (needs libjpeg-turbo)`, () => {
  beforeAll(async () => {
    writeFileSync(at('empty.yaml'), '{}');
    const { code, stderr } = await run(dir, train('straight', 12));
    expect({ code, stderr: stderr.replace(/^s2sam: using .*\n/, '') }).toEqual({ code: 0, stderr: '' });
  });

  it('goes on inside an epoch, after Ctrl-C, to the same bits', async () => {
    const { child, finished } = start(dir, train('stopped', 12));
    await until(() => stepsIn('stopped') >= 3);
    child.kill('SIGINT');
    expect((await finished).code).toBe(130);
    const done = stepsIn('stopped');
    expect(done).toBeGreaterThanOrEqual(3);
    expect(done).toBeLessThan(12);
    expect((await run(dir, ['resume', 'stopped'])).code).toBe(0);
    expect(lossesOf(at('stopped', 'metrics.jsonl'))).toEqual(lossesOf(at('straight', 'metrics.jsonl')));
    const [one, other] = [
      await tensorsOf(at('straight', 'last.safetensors')),
      await tensorsOf(at('stopped', 'last.safetensors')),
    ];
    expect([...one.keys()].length).toBeGreaterThan(500);
    expect(other).toEqual(one);
  });

  it('goes on from a checkpoint within an epoch, after it was killed', async () => {
    const { child, finished } = start(dir, train('killed', 12, root, ['--output.checkpointSteps=5']));
    await until(() => existsSync(at('killed', 'last.safetensors')));
    child.kill('SIGKILL');
    await finished;
    expect((await run(dir, ['resume', 'killed'])).code).toBe(0);
    expect(await tensorsOf(at('killed', 'last.safetensors'))).toEqual(
      await tensorsOf(at('straight', 'last.safetensors')),
    );
  });

  it('is the same from a packed store, with more threads that decode', async () => {
    const packed = await run(dir, ['pack', root, 'images.s2pack', '--resolution=256']);
    expect(packed.code).toBe(0);
    expect(packed.lines.at(-1)).toMatch(/^packed {4}\d+ images, 0 left out/);
    expect((await run(dir, ['pack', 'images.s2pack', '--verify'])).lines[0]).toMatch(/^sound {5}images.s2pack/);
    expect((await run(dir, train('packed', 12, 'images.s2pack', ['--data.workers=4']))).code).toBe(0);
    const straight = lossesOf(at('straight', 'metrics.jsonl'));
    for (const [step, loss] of lossesOf(at('packed', 'metrics.jsonl'))) expect(loss).toBe(straight.get(step));
  });

  it('evaluates its checkpoint', async () => {
    const { code, lines } = await run(dir, ['eval', 'straight', '--json']);
    expect(code).toBe(0);
    const result = JSON.parse(lines.at(-1) ?? '') as Record<string, number>;
    expect(result.images).toBe(real ? 500 : 80);
    expect(result.density).toBeCloseTo(0.1, 3);
    expect(result.top5Accuracy).toBeGreaterThanOrEqual(result.accuracy as number);
  });

  it('names what it leaves out, or ends with its name', async () => {
    // Never the files of $S2SAM_DATA themselves, to which links may lead: a tree of its own, with one file cut off in each class.
    await writeImageTree(at('broken'), 10, 4);
    const classes = join(realpathSync(dir), 'broken', 'train');
    for (const name of readdirSync(classes)) {
      const [first = ''] = readdirSync(join(classes, name)).sort();
      const file = realpathSync(join(classes, name, first));
      expect(file.startsWith(classes)).toBe(true);
      writeFileSync(file, readFileSync(file).subarray(0, 300));
    }
    const all = ['--train.batchSize=40', '--train.steps=40'];
    const ended = await run(dir, train('ended', 40, at('broken'), all));
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(
      /images: .*broken\/train\/.* (ends inside|is truncated|is not a sound JPEG).*broken: skip/,
    );
    const options = [...all, '--data.broken=skip', '--data.imageSize=32', '--train.steps=9', '--model=resnet20'];
    const { code, stdout } = await run(dir, train('skipped', 9, at('broken'), options));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^left out {2}.*broken\/train\//m);
  });

  it('needs to know where the images are', async () => {
    const { code, stderr } = await run(dir, ['train', '--config=empty.yaml', '--data=images', '--train.steps=1']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/data\.root is not given/);
    const missing = await run(dir, [
      'train',
      '--config=empty.yaml',
      '--data=imagenet',
      '--train.steps=1',
      '--data.root=nowhere',
    ]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/imagenet is in none of nowhere/);
  });
});
