import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Classifier,
  createModel,
  type Device,
  densityOf,
  loadWeights,
  openDevice,
  readCheckpoint,
  readSafetensors,
} from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyOf, uniform } from '../support/counter.js';
import { logitsOf, relativeDifference, scenes } from '../support/network.js';
import { readOnnx } from '../support/onnxFile.js';
import { hasOnnxRuntime, runOnnx } from '../support/onnxRuntime.js';

const SIDE = 16;
const bin = fileURLToPath(new URL('../../packages/cli/bin/s2sam.mjs', import.meta.url));

let folder: string;
let device: Device;

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
const s2sam = (...args: string[]): Promise<Finished> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [bin, ...args], { cwd: folder }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });

/** Trains for two short epochs on made-up images. */
async function train(name: string, ...settings: string[]): Promise<void> {
  const small = [`imageSize=${SIDE}`, 'trainImages=100', 'testImages=40'].map((setting) => `--data.${setting}`);
  const length = ['--train.batchSize=10', '--train.steps=20', '--optimizer.lr=0.05', '--device.threads=1'];
  const model = ['--preset=quickstart', '--model=resnet20', '--data=procedural'];
  const { code, stderr } = await s2sam('train', ...model, ...small, ...length, ...settings, `--output.dir=${name}`);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}

const at = (...parts: string[]): string => join(folder, ...parts);

async function loaded(path: string): Promise<Classifier> {
  const checkpoint = await readCheckpoint(path);
  const model = createModel(checkpoint.model, { device, classes: checkpoint.classes });
  loadWeights(model, checkpoint);
  return model;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's2sam-export-'));
  device = await openDevice('cpu', { threads: 1 });
  await train('sparse');
  await train('pruned', '--sparsity.method=chex', '--sparsity.channelSparsity=0.5');
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await device[Symbol.asyncDispose]();
});

describe.skipIf(!hasOnnxRuntime)('s2sam export (needs ONNX Runtime, which npm test installs)', () => {
  it('writes the best checkpoint of a run for images as they were trained on', async () => {
    const { code, stdout, stderr } = await s2sam('export', 'sparse', '--out', 'best.onnx');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [written, model, density] = stdout.split('\n');
    // 21 convolutions, 9 sums, 19 ReLUs, the mean, its flattening, and the linear layer.
    expect(written).toMatch(/^written {4}best\.onnx: 4\.34 MB, onnx, 52 operators, batch norm folded; takes images/);
    expect(written).toMatch(/ images \[N, 3, 16, 16\], normalised$/);
    expect(model).toMatch(/^model {6}resnet20, 10 classes, step \d+ of sparse.best\.safetensors$/);
    using best = await loaded(at('sparse', 'best.safetensors'));
    const kept = densityOf(best.arena)
      .layers.reduce((sum, layer) => sum + layer.kept, 0)
      .toLocaleString('en-US');
    expect(density).toBe(`density    10.00%: ${kept} of 1,081,440 weights kept, zeros elsewhere`);
    const images = scenes(3, 3, SIDE);
    const expected = await logitsOf(best, images, SIDE);
    expect(relativeDifference(await runOnnx(at('best.onnx'), images, SIDE), expected)).toBeLessThan(1e-5);
  });

  it('normalises as the training did, and keeps batch norms, where it is told to', async () => {
    const args = ['--normalize', '--keepBatchNorm', '--imageSize', '24'];
    const { code, stdout } = await s2sam('export', 'sparse/last.safetensors', '--out', 'raw.onnx', ...args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/batch norm kept; takes images \[N, 3, 24, 24\], with values from 0 to 1\n/);
    using last = await loaded(at('sparse', 'last.safetensors'));
    const raw = uniform(keyOf(1, 'raw'), 2 * 3 * 24 * 24, 0, 1);
    // Those of the procedural images.
    const expected = await logitsOf(
      last,
      raw.map((value) => (value - 0.492) / 0.271),
      24,
    );
    expect(relativeDifference(await runOnnx(at('raw.onnx'), raw, 24), expected)).toBeLessThan(1e-5);
    const { nodes } = readOnnx(at('raw.onnx'));
    expect(nodes.filter(({ type }) => type === 'BatchNormalization')).toHaveLength(21);
  });

  it('leaves removed channels out with --compact, and says what that saves', async () => {
    const whole = await s2sam('export', 'pruned/last.safetensors', '--out', 'whole.onnx');
    const { code, stdout } = await s2sam('export', 'pruned/last.safetensors', '--out', 'small.onnx', '--compact');
    expect([whole.code, code]).toEqual([0, 0]);
    using last = await loaded(at('pruned', 'last.safetensors'));
    const images = scenes(3, 3, SIDE);
    const expected = await logitsOf(last, images, SIDE);
    for (const path of ['whole.onnx', 'small.onnx']) {
      expect(relativeDifference(await runOnnx(at(path), images, SIDE), expected), path).toBeLessThan(1e-5);
    }
    const line = /^compacted {2}parameters ([\d,]+) -> ([\d,]+) \(([\d.]+)%\), forward (\S+ \w+) -> (\S+ \w+) \(/m.exec(
      stdout,
    );
    const [before, after, share] = (line?.slice(1, 4) ?? []).map((text) => Number(text.replaceAll(',', '')));
    expect(before).toBe(densityOf(last.arena).parameters);
    expect(share).toBeCloseTo((100 * (after as number)) / (before as number), 1);
    expect(share).toBeLessThan(99);
    expect(whole.stdout).not.toContain('compacted');
    // A folded file has, beside the weights, one bias per channel instead of gamma and beta.
    const { initializers } = readOnnx(at('small.onnx'));
    const weights = [...initializers].filter(([name]) => name.endsWith('.weight'));
    const biases = [...initializers].filter(([name]) => name.endsWith('.bias') && name !== 'fc.bias');
    const sizeOf = (some: typeof weights): number => some.reduce((sum, [, { values }]) => sum + values.length, 0);
    expect(sizeOf(weights) + 2 * sizeOf(biases) + 10).toBe(after);
  });

  it('writes a state dict with --format safetensors: the tensors of the checkpoint under their names', async () => {
    const args = ['--format', 'safetensors', '--out', 'state.safetensors'];
    const { code, stdout } = await s2sam('export', 'sparse/last.safetensors', ...args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^written {4}state\.safetensors: 4\.3\d MB, safetensors, 128 tensors by PyTorch's names\n/);
    const { tensors } = await readSafetensors(at('state.safetensors'));
    const checkpoint = await readSafetensors(at('sparse', 'last.safetensors'));
    const own = [...checkpoint.tensors].filter(([name]) => !name.startsWith('s2sam.'));
    expect([...tensors.keys()].sort()).toEqual(own.map(([name]) => name).sort());
    for (const [name, tensor] of own) expect(tensors.get(name), name).toEqual(tensor);
  });

  it.each<[string[], number, RegExp]>([
    [['sparse'], 2, /required option '--out <file>' not specified/],
    [['sparse', '--out=x', '--format=caffe'], 2, /Allowed choices are onnx, safetensors/],
    [['sparse', '--out=x', '--imageSize=0'], 2, /It must be a whole number >= 1/],
    [
      ['sparse', '--out=x', '--format=safetensors', '--normalize'],
      2,
      /^error: export: --normalize is for --format onnx/,
    ],
    [['nowhere', '--out=x'], 1, /^error: .*nowhere.*\(ERR_IO\)/],
    [['sparse', '--out=missing/x'], 1, /^error: .*missing.*\(ERR_IO\)/],
  ])('%j: exit code %i', async (args, code, message) => {
    const finished = await s2sam('export', ...args);
    expect(finished.stderr).toMatch(message);
    expect(finished.code).toBe(code);
    expect(existsSync(at('x'))).toBe(false);
  });
});
