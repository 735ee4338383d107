import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createModel,
  type Device,
  exportSafetensors,
  openDevice,
  type Parameter,
  readSafetensors,
  writeSafetensors,
} from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keptIn, logitsOf, relativeDifference, scenes, settle, thinOut } from '../support/network.js';
import { askPython, missingFromPython } from '../support/python.js';

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice('cpu');
  folder = mkdtempSync(join(tmpdir(), 's2sam-state-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await device[Symbol.asyncDispose]();
});
const file = (name: string): string => join(folder, name);

describe('exportSafetensors', () => {
  it.each(['resnet18', 'resnet32', 'resnet50', 'vgg19'])(
    'writes all of %s, zeros where weights are masked, and nothing else',
    async (name) => {
      using model = createModel(name, { device, seed: 1 });
      settle(model);
      await thinOut(model, 0.1);
      const path = file(`${name}.safetensors`);
      const { bytes, tensors: written } = await exportSafetensors(model, path, { batches: 7 });
      expect(bytes).toBe(statSync(path).size);
      const { tensors } = await readSafetensors(path);
      expect(tensors.size).toBe(written);

      const [parameters, buffers] = [model.namedParameters(), model.namedBuffers()];
      const counts = [...tensors.keys()].filter((key) => key.endsWith('.num_batches_tracked'));
      expect([...parameters.keys(), ...buffers.keys(), ...counts].sort()).toEqual([...tensors.keys()].sort());
      const norms = [...buffers.keys()].filter((key) => key.endsWith('.running_mean'));
      expect(counts.sort()).toEqual(norms.map((key) => key.replace('running_mean', 'num_batches_tracked')).sort());
      for (const count of counts) {
        expect(tensors.get(count)).toEqual({ dtype: 'I64', shape: [], data: BigInt64Array.of(7n) });
      }
      for (const [key, { value, mask, shape }] of parameters) {
        const found = tensors.get(key);
        expect(found?.shape, key).toEqual(shape);
        const [master, words] = [await value.toArray(), await mask?.read()];
        const wrong = master.findIndex((weight, i) => {
          const kept = words === undefined || keptIn(words, i);
          return !Object.is(found?.data[i], kept ? weight : 0);
        });
        expect(wrong, `first wrong weight of ${key}`).toBe(-1);
      }
      for (const [key, { tensor }] of buffers) expect(tensors.get(key)?.data, key).toEqual(await tensor.toArray());
    },
  );

  it('writes zeros under a mask whatever lies there', async () => {
    using model = createModel('resnet20', { device, seed: 1 });
    const [parameter] = model.arena.parameters as [Parameter];
    model.arena.addMask(parameter).random(100, [1, 2]);
    parameter.value.fill(-3);
    const path = file('hidden.safetensors');
    await exportSafetensors(model, path);
    const values = (await readSafetensors(path)).tensors.get(parameter.name)?.data as Float32Array;
    expect(values.filter((value) => value === -3)).toHaveLength(100);
    expect(values.filter((value) => Object.is(value, 0))).toHaveLength(parameter.size - 100);
  });

  it('gives a file whose weights, loaded without masks, compute the same', async () => {
    using model = createModel('resnet20', { device, seed: 1 });
    settle(model);
    await thinOut(model, 0.1);
    const path = file('plain.safetensors');
    await exportSafetensors(model, path);
    const { tensors, metadata } = await readSafetensors(path);
    expect(metadata).toMatchObject({
      format: 'pt',
      model: 'resnet20',
      classes: '10',
      density: expect.stringMatching(/^0\.10/),
    });
    using dense = createModel('resnet20', { device, seed: 2 });
    const values = new Map([...dense.namedParameters()].map(([name, { value }]) => [name, value]));
    for (const [name, { tensor }] of dense.namedBuffers()) values.set(name, tensor);
    for (const [name, tensor] of values) tensor.write(tensors.get(name)?.data as Float32Array);
    const images = scenes(2, 3, 32);
    const [expected, actual] = [await logitsOf(model, images, 32), await logitsOf(dense, images, 32)];
    expect(relativeDifference(actual, expected)).toBeLessThan(1e-5);
  });

  const reason = missingFromPython('strict loading into torchvision', 'torch', 'torchvision', 'safetensors');
  it.skipIf(reason !== undefined).each(['resnet18', 'resnet34', 'resnet50'])(
    'torchvision loads %s strictly and computes the same logits',
    async (name) => {
      using model = createModel(name, { device, seed: 1 });
      settle(model);
      await thinOut(model, 0.1);
      const images = scenes(2, 3, 224);
      const [state, inputs] = [file(`${name}.pt.safetensors`), file(`${name}.images.safetensors`)];
      const data = images as Float32Array<ArrayBuffer>;
      await writeSafetensors(inputs, [{ name: 'images', dtype: 'F32', shape: [2, 3, 224, 224], data }]);
      const { tensors } = await exportSafetensors(model, state, { batches: 1234 });
      const answer = (await askPython('torchvision_logits.py', name, state, inputs)) as { logits: number[] };
      expect(answer).toMatchObject({ batches: [1234], tensors });
      expect(relativeDifference(answer.logits, await logitsOf(model, images, 224))).toBeLessThan(1e-5);
    },
  );
});
