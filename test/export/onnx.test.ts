import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Classifier, createModel, type Device, exportOnnx, modelNames, openDevice } from '@s2sam/core';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keptIn, logitsOf, relativeDifference, scenes, settle, thinOut } from '../support/network.js';
import { type OnnxFile, readOnnx } from '../support/onnxFile.js';

/** Of the largest logit. Sums in another order differ by 1e-6. */
const TOLERANCE = 1e-5;

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

/** What ONNX Runtime computes of images [N, C, side, side]. */
async function run(path: string, images: Float32Array, side: number, channels = 3): Promise<Float32Array> {
  const session = await InferenceSession.create(path, { intraOpNumThreads: 2 });
  try {
    const shape = [images.length / (channels * side * side), channels, side, side];
    const { logits } = await session.run({ images: new Tensor('float32', images, shape) });
    return logits?.data as Float32Array;
  } finally {
    await session.release();
  }
}

/** Every masked weight is +0 in the file, and almost none of the kept ones is 0. */
async function checkZeros(model: Classifier, { initializers }: OnnxFile): Promise<void> {
  for (const { name, mask, size } of model.arena.parameters) {
    if (mask === undefined) continue;
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

describe('exportOnnx', () => {
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
        console.log(
          name,
          relativeDifference(first, second),
          relativeDifference(await run(path, images, side), expected),
        );
        expect(relativeDifference(await run(path, images, side), expected), `folded: ${foldBatchNorm}`).toBeLessThan(
          TOLERANCE,
        );
        await checkZeros(model, readOnnx(path));
        rmSync(path);
      }
    },
  );
});
