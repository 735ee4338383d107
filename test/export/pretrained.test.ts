import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Classifier,
  createModel,
  type Device,
  exportSafetensors,
  loadPretrained,
  openDevice,
  readSafetensors,
  writeSafetensors,
} from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodes, writeImageTree } from '../support/imageTree.js';
import { keptIn, logitsOf, scenes, settle, thinOut } from '../support/network.js';
import { askPython, missingFromPython } from '../support/python.js';

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice('cpu');
  folder = mkdtempSync(join(tmpdir(), 's2sam-pretrained-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await device[Symbol.asyncDispose]();
});
const bin = fileURLToPath(new URL('../../packages/cli/bin/s2sam.mjs', import.meta.url));
const s2sam = (...args: string[]) => spawnSync(process.execPath, [bin, ...args], { cwd: folder, encoding: 'utf8' });
const at = (name: string): string => join(folder, name);

const newModel = (classes = 10): Classifier => createModel('resnet20', { device, classes, seed: 9 });

/** A file of `resnet20` with 10 classes, its names changed. */
async function foreign(name: string, rename: (name: string) => string | undefined): Promise<Float32Array> {
  using model = createModel('resnet20', { device, seed: 1 });
  settle(model);
  await exportSafetensors(model, at('own.safetensors'), { batches: 3 });
  const { tensors } = await readSafetensors(at('own.safetensors'));
  const renamed = [...tensors].flatMap(([key, tensor]) => {
    const other = rename(key);
    return other === undefined ? [] : [{ ...tensor, name: other }];
  });
  await writeSafetensors(at(name), renamed, {});
  return await logitsOf(model, scenes(2, 3, 32), 32);
}

const everything = async (model: Classifier): Promise<Float32Array> =>
  (await model.arena.master.toArray()) as Float32Array;

describe('loadPretrained', () => {
  it.each(['', 'module.', 'model.', 'state_dict.', '_orig_mod.', 'module._orig_mod.'])(
    'takes names that begin with %j',
    async (prefix) => {
      const expected = await foreign('prefixed.safetensors', (name) => `${prefix}${name}`);
      using model = newModel();
      const found = await loadPretrained(model, at('prefixed.safetensors'));
      const { size: parameters } = model.namedParameters();
      expect(found).toEqual({ prefix, loaded: parameters + model.namedBuffers().size, skipped: [] });
      expect(await logitsOf(model, scenes(2, 3, 32), 32)).toEqual(expected);
    },
  );

  it('leaves the last layer of other classes out where asked to, and says what to do where not', async () => {
    await foreign('ten.safetensors', (name) => name);
    using model = newModel(7);
    const before = await everything(model);
    await expect(loadPretrained(model, at('ten.safetensors'))).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_CHECKPOINT',
        message: expect.stringMatching(/\.weight is F32 \[10,\d+\] instead of F32 \[7,\d+\].*leave its last layer out/),
      }),
    );
    expect(await everything(model)).toEqual(before);
    const last = [...model.namedParameters().values()].filter(({ role }) => role === 'classifier');
    const own = await last[0]?.value.toArray();
    const { skipped } = await loadPretrained(model, at('ten.safetensors'), { classifier: 'skip' });
    expect(skipped).toHaveLength(2);
    expect(await last[0]?.value.toArray()).toEqual(own);
  });

  it.each<[string, (name: string) => string | undefined, RegExp]>([
    ['missing', (name) => (name === 'conv1.weight' ? undefined : name), /missing: conv1\.weight; make the network/],
    ['unexpected', (name) => (name === 'conv1.weight' ? 'stem.weight' : name), /unexpected: stem\.weight/],
  ])('names what is %s, and changes nothing', async (_, rename, message) => {
    await foreign('other.safetensors', rename);
    using model = newModel();
    const before = await everything(model);
    await expect(loadPretrained(model, at('other.safetensors'))).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(message) }),
    );
    expect(await everything(model)).toEqual(before);
  });

  it('applies the masks of the model', async () => {
    await foreign('dense.safetensors', (name) => name);
    using model = newModel();
    await thinOut(model, 0.2);
    await loadPretrained(model, at('dense.safetensors'));
    for (const [name, { value, mask, kind }] of model.namedParameters()) {
      if (kind !== 'weight') continue;
      const [values, words] = [await value.toArray(), (await mask?.read()) as Uint32Array];
      expect(values.filter((x, i) => x !== 0 && !keptIn(words, i)).length, name).toBe(0);
    }
  });
});

const converter = fileURLToPath(new URL('../../scripts/pth-to-safetensors.py', import.meta.url));
const lacking = missingFromPython('weights of torchvision', 'torch', 'torchvision', 'PIL', 'safetensors');
const python = process.env.S2SAM_PYTHON ?? 'python3';

describe.skipIf(lacking !== undefined || !decodes)('a .pth of torchvision (needs S2SAM_PYTHON)', () => {
  const CLASSES = '10';
  let images: string;

  /** `val` of a tree with ten classes: eight photographs each of a subset of ImageNet, else small JPEG files. */
  beforeAll(async () => {
    const photographs = join(process.env.S2SAM_DATA ?? '', 'imagenette');
    const tree = at('tree');
    if (process.env.S2SAM_DATA === undefined || !existsSync(photographs)) {
      await writeImageTree(tree, 10, 1);
    } else {
      for (const split of ['train', 'val']) {
        for (const group of readdirSync(join(photographs, split))) {
          mkdirSync(join(tree, split, group), { recursive: true });
          const files = readdirSync(join(photographs, split, group))
            .sort()
            .slice(0, split === 'val' ? 8 : 1);
          for (const name of files) copyFileSync(join(photographs, split, group, name), join(tree, split, group, name));
        }
      }
    }
    images = tree;
  });

  it.each(['resnet18', 'resnet50'])('classifies the same images alike, one by one: %s', async (name) => {
    const [pth, state, checkpoint, classes] = ['pth', 'safetensors', 'imported', 'csv'].map((end) =>
      at(`${name}.${end}`),
    ) as [string, string, string, string];
    execFileSync(python, [
      fileURLToPath(new URL('torchvision_predictions.py', import.meta.url)),
      'write',
      name,
      CLASSES,
      pth,
    ]);
    const said = execFileSync(python, [converter, pth, state], { encoding: 'utf8' });
    expect(said).toMatch(/\d+ tensors, \d+ numbers/);
    const settings = ['--data=images', `--data.root=${images}`];
    const imported = s2sam('import', state, '--model', name, '--classes', CLASSES, '--out', checkpoint, ...settings);
    expect([imported.status, imported.stdout]).toEqual([0, expect.stringContaining("names without 'module.'")]);
    const evaluated = s2sam('eval', checkpoint, '--predictions', classes, '--train.batchSize=16');
    expect({ status: evaluated.status, stderr: evaluated.stderr }).toEqual({ status: 0, stderr: '' });
    const rows = readFileSync(classes, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',').map(Number));
    const expected = (await askPython(
      'torchvision_predictions.py',
      'classify',
      name,
      CLASSES,
      pth,
      join(images, 'val'),
    )) as [number, number][];
    expect(rows).toHaveLength(expected.length);
    expect(rows.length).toBeGreaterThanOrEqual(40);
    expect(rows.map(([, , predicted]) => predicted)).toEqual(expected.map(([predicted]) => predicted));
    const largest = Math.max(...expected.map(([, logit]) => Math.abs(logit)));
    const worst = Math.max(
      ...rows.map(([, , , logit], i) => Math.abs((logit as number) - (expected[i]?.[1] as number))),
    );
    expect(worst / largest).toBeLessThan(1e-4);
  });

  it('is refused where it holds more than numbers, or no state dict', () => {
    const refused = (code: string, ...more: string[]): string => {
      execFileSync(python, ['-c', `import torch\n${code}`, at('odd.pth')]);
      try {
        execFileSync(python, [converter, at('odd.pth'), at('odd.safetensors'), ...more], {
          stdio: 'pipe',
          encoding: 'utf8',
        });
        return 'converted';
      } catch (error) {
        return String((error as { stderr: string }).stderr);
      }
    };
    const save = (value: string): string => `import sys\ntorch.save(${value}, sys.argv[1])`;
    expect(refused(save('torch.nn.Linear(2, 2)'))).toMatch(/^error: .*cannot be loaded without executing/);
    expect(refused(save("{'epoch': 3}"))).toMatch(/say with --key which of them is the state dict/);
    expect(refused(save("{'a': torch.ones(1)}"), '--key', 'ema')).toMatch(/there is no 'ema' in it, but: a/);
    expect(existsSync(at('odd.safetensors'))).toBe(false);
  });
});
