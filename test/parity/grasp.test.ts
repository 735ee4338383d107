import { fileURLToPath } from 'node:url';
import { type ImageDataset, type MaskStrategy, readSafetensors, scope, sgd, type Tensor, train } from '@s2sam/core';
import { beforeAll, expect, it } from 'vitest';
import { hessianScores, redrawClassifiers } from '../../packages/masks/src/grasp.js';
import { collect } from '../support/collect.js';
import { keyOf, pixels } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { tinyNet } from '../support/tiny.js';

const [seed, classes, perClass, side] = [11, 4, 10, 8];

/** As in `test/golden/s2sam_golden/grasp.py`. */
function data(): ImageDataset {
  const [size, count] = [classes * perClass, 3 * side * side];
  const labels = Uint8Array.from({ length: size }, (_, i) => i % classes);
  const noise = pixels(keyOf(seed, 'grasp/images'), size * count);
  const images = noise.map((value, p) => (value >> 1) + 30 * (labels[Math.floor(p / count)] as number));
  const split = { size, images, labels };
  return {
    name: 'grasp',
    synthetic: true,
    classes,
    imageShape: [3, side, side],
    mean: [0.4, 0.4, 0.4],
    std: [0.25, 0.25, 0.25],
    augmentation: { pad: 0, flip: false },
    train: split,
    test: split,
  };
}

function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, i) => i).sort((a, b) => (values[a] as number) - (values[b] as number));
  const rank = new Float64Array(values.length);
  for (const [position, i] of order.entries()) rank[i] = position;
  return rank;
}

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const mean = (x: ArrayLike<number>): number => Array.from(x).reduce((sum, v) => sum + v, 0) / x.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [(a[i] as number) - meanA, (b[i] as number) - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}

eachDevice('GraSP', (device) => {
  let exact: Map<string, Float32Array>;
  beforeAll(async () => {
    const { tensors } = await readSafetensors(
      fileURLToPath(new URL('../golden/data/grasp_scores.safetensors', import.meta.url)),
    );
    exact = new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array]));
  });

  it('ranks weights as the exact double backward does', async () => {
    const scores = new Map<string, ArrayLike<number>>();
    const strategy: MaskStrategy = {
      name: 'look',
      init: (context) =>
        scope(async () => {
          redrawClassifiers(context);
          const found = await hessianScores(context, { perClass, rounds: 1, parts: 2, temperature: 200 });
          for (const [{ name }, score] of found) scores.set(name, await (score as Tensor).toArray());
        }),
    };
    using model = tinyNet(device, { seed });
    const optimizer = sgd({ lr: 0.1 });
    await collect(train(model, { data: data(), optimizer, sparsity: strategy, steps: 1, batchSize: 20, seed }));
    const all = (from: ReadonlyMap<string, ArrayLike<number>>): number[] =>
      [...exact.keys()].flatMap((name) => Array.from(from.get(name) ?? []));
    expect(all(scores).length).toBe(432 + 3456 + 96);
    const [ours, theirs] = [all(scores), all(exact)];
    expect(correlation(ranks(ours), ranks(theirs))).toBeGreaterThan(0.999);
    // Gradients are averaged over the two halves, not added, and so the scores are a quarter of PyTorch's.
    expect(correlation(ours, theirs)).toBeGreaterThan(0.999);
    const kept = (values: readonly number[]): Set<number> => {
      const rank = ranks(values);
      return new Set([...rank.keys()].filter((i) => (rank[i] as number) >= 0.9 * rank.length));
    };
    const [a, b] = [kept(ours), kept(theirs)];
    expect([...a].filter((i) => b.has(i)).length / a.size).toBeGreaterThan(0.98);
  });
});
