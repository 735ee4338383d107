import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ChannelFlow,
  type Classifier,
  compact,
  createModel,
  type Device,
  type ExportOnnxOptions,
  exportOnnx,
  modelNames,
  openDevice,
  type Parameter,
} from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyOf, packBits, uniform } from '../support/counter.js';
import { keptIn, logitsOf, relativeDifference, scenes, settle, thinOut } from '../support/network.js';
import { type OnnxFile, readOnnx } from '../support/onnxFile.js';
import { hasOnnxRuntime, runOnnx } from '../support/onnxRuntime.js';
import { askPython, missingFromPython } from '../support/python.js';

/** Of the largest logit. Sums in another order differ by 1e-6. */
const TOLERANCE = 1e-5;

/** What `describe_onnx.py` prints. */
interface Described {
  readonly metadata: Readonly<Record<string, string>>;
  readonly ops: Readonly<Record<string, number>>;
  readonly inferred: Readonly<Record<string, readonly (number | string)[]>>;
  /** `zeros`: bits, in hexadecimal. */
  readonly initializers: Readonly<Record<string, { shape: readonly number[]; type: string; zeros: string }>>;
}

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice('cpu');
  folder = mkdtempSync(join(tmpdir(), 's2sam-onnx-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await device[Symbol.asyncDispose]();
});

/** A network as after sparse training, by its name. */
async function sparse(name: string, density = 0.1): Promise<Classifier> {
  const model = createModel(name, { device, seed: 1 });
  settle(model);
  await thinOut(model, density);
  return model;
}

/** Masks every other channel of a group out of its batch norms. */
function removeHalf(model: Classifier, { norms, channels }: ChannelFlow): void {
  const kept = packBits(Array.from({ length: channels }, (_, channel) => channel % 2));
  for (const { weight, bias } of norms) {
    for (const parameter of [weight, bias]) {
      model.arena.addMask(parameter).write(kept);
      parameter.mask?.apply(parameter.value);
    }
  }
}

/** Every masked weight is +0 in the file, and almost none of the kept ones is 0. */
async function checkZeros(model: Classifier, { initializers }: OnnxFile): Promise<void> {
  for (const { name, kind, mask, size } of model.arena.parameters) {
    if (mask === undefined || kind !== 'weight') continue;
    const { values } = initializers.get(name) as { values: Float32Array };
    const words = await mask.read();
    let [masked, zeros] = [0, 0];
    for (let i = 0; i < size; i++) {
      if (Object.is(values[i], 0)) zeros++;
      if (keptIn(words, i)) continue;
      masked++;
      if (!Object.is(values[i], 0)) expect.fail(`${name}[${i}] is masked and ${values[i]} in the file`);
    }
    expect(masked, name).toBe(size - mask.kept);
    expect(zeros - masked, `kept weights of ${name} that are 0`).toBeLessThanOrEqual(1e-5 * size);
  }
}

describe.skipIf(!hasOnnxRuntime)('exportOnnx (needs ONNX Runtime, which npm test installs)', () => {
  it.each(modelNames)(
    'ONNX Runtime computes the logits of %s at density 0.1, batch norm folded or kept',
    async (name) => {
      using model = await sparse(name);
      const side = model.imageSize;
      const images = scenes(2, 3, side);
      const expected = await logitsOf(model, images, side);
      const [first, second] = [expected.slice(0, model.classes), expected.slice(model.classes)];
      expect(relativeDifference(first, second), 'both images have the same logits').toBeGreaterThan(0.01);
      for (const foldBatchNorm of [true, false]) {
        const path = join(folder, `${name}.onnx`);
        await exportOnnx(model, path, { foldBatchNorm });
        const difference = relativeDifference(await runOnnx(path, images, side), expected);
        expect(difference, `folded: ${foldBatchNorm}`).toBeLessThan(TOLERANCE);
        await checkZeros(model, readOnnx(path));
        rmSync(path);
      }
    },
  );

  it('takes any number of images', async () => {
    using model = await sparse('resnet20');
    const path = join(folder, 'batches.onnx');
    await exportOnnx(model, path);
    for (const count of [1, 5]) {
      const images = scenes(count, 3, 32);
      const expected = await logitsOf(model, images, 32);
      expect(expected).toHaveLength(10 * count);
      expect(relativeDifference(await runOnnx(path, images, 32), expected), `${count} images`).toBeLessThan(TOLERANCE);
    }
  });

  it('normalises images with values from 0 to 1 where it is told how', async () => {
    using model = await sparse('resnet20');
    const [mean, std] = [
      [0.4914, 0.4822, 0.4465],
      [0.2023, 0.1994, 0.201],
    ];
    const raw = uniform(keyOf(1, 'raw'), 2 * 3 * 24 * 24, 0, 1);
    const normalised = raw.map((value, i) => {
      const channel = Math.floor(i / (24 * 24)) % 3;
      return (value - (mean[channel] as number)) / (std[channel] as number);
    });
    const path = join(folder, 'normalised.onnx');
    await exportOnnx(model, path, { normalization: { mean, std }, imageSize: 24 });
    const expected = await logitsOf(model, normalised, 24);
    expect(relativeDifference(await runOnnx(path, raw, 24), expected)).toBeLessThan(TOLERANCE);
    expect(relativeDifference(await runOnnx(path, normalised, 24), expected)).toBeGreaterThan(0.01);
    expect(JSON.parse(readOnnx(path).metadata.normalization as string)).toEqual({ mean, std });
  });

  it.each(['resnet20', 'resnet50', 'vgg19'])('writes %s with its removed channels left out', async (name) => {
    using model = await sparse(name);
    for (const group of model.channelGroups()) removeHalf(model, group);
    using small = await compact(model);
    const side = name === 'resnet50' ? 64 : model.imageSize;
    const images = scenes(2, 3, side);
    const expected = await logitsOf(model, images, side);
    const [whole, compacted] = [join(folder, 'whole.onnx'), join(folder, 'compacted.onnx')];
    const before = await exportOnnx(model, whole, { imageSize: side });
    const after = await exportOnnx(small, compacted, { imageSize: side });
    expect(after.bytes).toBeLessThan(0.7 * before.bytes);
    for (const path of [whole, compacted]) {
      expect(relativeDifference(await runOnnx(path, images, side), expected), path).toBeLessThan(TOLERANCE);
    }
  });

  it('folds in double precision: every weight is the nearest f32', async () => {
    using model = await sparse('resnet20');
    const path = join(folder, 'folded.onnx');
    await exportOnnx(model, path);
    const { initializers } = readOnnx(path);
    const read = async (name: string): Promise<number[]> => {
      const value = model.namedParameters().get(name)?.value ?? model.namedBuffers().get(name)?.tensor;
      return [...((await value?.toArray()) ?? [])];
    };
    const [weight, gamma, beta] = [await read('conv1.weight'), await read('bn1.weight'), await read('bn1.bias')];
    const [mean, variance] = [await read('bn1.running_mean'), await read('bn1.running_var')];
    const words = (await model.namedParameters().get('conv1.weight')?.mask?.read()) as Uint32Array;
    const scale = gamma.map((g, c) => g / Math.sqrt((variance[c] as number) + 1e-5));
    const each = weight.length / scale.length;
    const folded = weight.map((w, i) => (keptIn(words, i) ? w * (scale[Math.floor(i / each)] as number) : 0));
    expect(initializers.get('conv1.weight')?.values).toEqual(Float32Array.from(folded));
    const shift = beta.map((b, c) => b - (mean[c] as number) * (scale[c] as number));
    expect(initializers.get('conv1.bias')?.values).toEqual(Float32Array.from(shift));
  });

  it.each([true, false])('writes zeros under a mask whatever lies there, folded: %s', async (foldBatchNorm) => {
    using model = createModel('resnet20', { device, seed: 1 });
    settle(model);
    const [parameter] = model.arena.parameters as [Parameter];
    model.arena.addMask(parameter).random(100, [1, 2]);
    parameter.value.fill(-3);
    const path = join(folder, 'hidden.onnx');
    await exportOnnx(model, path, { foldBatchNorm });
    await checkZeros(model, readOnnx(path));
  });

  it("names initializers as PyTorch's state dict does", async () => {
    using model = await sparse('resnet20');
    const path = join(folder, 'names.onnx');
    await exportOnnx(model, path, { foldBatchNorm: false });
    const all = [...model.namedParameters().keys(), ...model.namedBuffers().keys()];
    expect([...readOnnx(path).initializers.keys()].sort()).toEqual(all.sort());
    await exportOnnx(model, path);
    const convolutions = all.filter((name) => /(conv\d|shortcut\.0)\.weight$/.test(name));
    const biases = convolutions.map((name) => name.replace('weight', 'bias'));
    const folded = [...convolutions, ...biases, 'fc.weight', 'fc.bias'];
    expect([...readOnnx(path).initializers.keys()].sort()).toEqual(folded.sort());
  });

  it('leaves the model and the device as they were', async () => {
    using model = await sparse('resnet20');
    model.train();
    const before = device.memory();
    await exportOnnx(model, join(folder, 'same.onnx'));
    expect(model.training).toBe(true);
    const { tensors, graphs } = device.memory();
    expect({ tensors, graphs }).toEqual({ tensors: before.tensors, graphs: before.graphs });
  });

  it.each<[string, ExportOnnxOptions, RegExp]>([
    ['a size of no pixels', { imageSize: 0 }, /imageSize is 0/],
    ['means for other images', { normalization: { mean: [0.5], std: [1] } }, /mean \[0\.5\].*give 3 numbers of each/],
    ['a deviation of 0', { normalization: { mean: [0, 0, 0], std: [1, 0, 1] } }, /std \[1,0,1\].*std > 0/],
  ])('refuses %s and keeps the old file', async (_, options, message) => {
    using model = createModel('resnet20', { device });
    const path = join(folder, 'old.onnx');
    writeFileSync(path, 'old');
    await expect(exportOnnx(model, path, options)).rejects.toMatchObject({
      name: 'ArgumentError',
      message: expect.stringMatching(message),
    });
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  it('says where it cannot write', async () => {
    using model = createModel('resnet20', { device });
    await expect(exportOnnx(model, join(folder, 'missing', 'x.onnx'))).rejects.toMatchObject({ name: 'IoError' });
  });

  const reason = missingFromPython("checks with Python's onnx", 'onnx', 'numpy');
  it.skipIf(reason !== undefined).each([
    { name: 'resnet32', foldBatchNorm: true, ops: { Conv: 33, Add: 15, Relu: 31 } },
    { name: 'resnet50', foldBatchNorm: true, ops: { Conv: 53, Add: 16, Relu: 49, MaxPool: 1 } },
    {
      name: 'resnet50',
      foldBatchNorm: false,
      ops: { Conv: 53, BatchNormalization: 53, Add: 16, Relu: 49, MaxPool: 1 },
    },
  ])("passes the checks of Python's onnx: $name, folded: $foldBatchNorm", async ({ name, foldBatchNorm, ops }) => {
    using model = await sparse(name);
    const path = join(folder, 'checked.onnx');
    await exportOnnx(model, path, { foldBatchNorm });
    const found = (await askPython('describe_onnx.py', path)) as Described;
    const [side, classes] = [model.imageSize, model.classes];
    expect(found).toMatchObject({
      ir: 8,
      opset: { '': 17 },
      producer: 's2sam',
      inputs: { images: ['N', 3, side, side] },
      outputs: { logits: ['N', classes] },
      metadata: { model: name, classes: String(classes), batchNorm: foldBatchNorm ? 'folded' : 'kept' },
    });
    expect(Number(found.metadata.density)).toBeCloseTo(0.1, 4);
    expect(found.ops).toEqual({ ...ops, GlobalAveragePool: 1, Flatten: 1, Gemm: 1 });
    expect(Object.values(found.inferred).every(([batch]) => batch === 'N')).toBe(true);
    for (const { name, mask, shape, size } of model.arena.parameters) {
      if (mask === undefined) continue;
      const { zeros, ...rest } = found.initializers[name] as Described['initializers'][string];
      expect(rest, name).toEqual({ shape, type: 'float32' });
      const [bytes, words] = [Buffer.from(zeros, 'hex'), await mask.read()];
      const isZero = (i: number): boolean => (((bytes[i >>> 3] as number) >>> (i & 7)) & 1) === 1;
      let wrong = -1;
      for (let i = 0; i < size && wrong < 0; i++) if (!keptIn(words, i) && !isZero(i)) wrong = i;
      expect(wrong, `first masked weight of ${name} that is not 0`).toBe(-1);
    }
  });
});
