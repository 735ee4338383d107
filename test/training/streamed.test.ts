import { setImmediate as tick } from 'node:timers/promises';
import { type AnySplit, evaluate, type ImageDataset, Loader, type Split, s2sam, scope, sgd, train } from '@s2sam/core';
import { expect, it } from 'vitest';
import { bitsOf, collect, steps } from '../support/collect.js';
import { eachDevice } from '../support/devices.js';
import { tinyData, tinyNet } from '../support/tiny.js';

const resident = tinyData(100, 30);
const optimizer = s2sam(sgd({ lr: 0.05, momentum: 0.9 }));

/** The same split, read batch by batch; `reads` notes what was asked for. */
function streamed({ size, images, labels }: Split, reads: number[][]): AnySplit {
  const bytes = images.length / size;
  return {
    size,
    labels,
    read: async ({ indices, into, height, width }) => {
      reads.push([...indices]);
      expect([height, width]).toEqual([8, 8]);
      expect(into).toHaveLength(indices.length * bytes);
      await tick();
      for (const [i, index] of indices.entries()) {
        into.set(images.subarray(index * bytes, (index + 1) * bytes), i * bytes);
      }
      return indices;
    },
  };
}

function streamedData(): { data: ImageDataset<AnySplit>; reads: number[][] } {
  const reads: number[][] = [];
  return { data: { ...resident, train: streamed(resident.train, reads), test: streamed(resident.test, reads) }, reads };
}

eachDevice('data sets that are not on the device', (device) => {
  it('train like those that are, bit for bit, where nothing is augmented', async () => {
    const options = { optimizer, steps: 12, batchSize: 20, augment: false };
    using first = tinyNet(device);
    using second = tinyNet(device);
    const { data, reads } = streamedData();
    const losses = async (model: typeof first, of: ImageDataset<AnySplit>) =>
      steps(await collect(train(model, { ...options, data: of, evaluateEvery: 0 }))).map(({ loss }) => loss);
    expect(await losses(second, data)).toEqual(await losses(first, resident));
    expect(await bitsOf(second)).toEqual(await bitsOf(first));
    expect(reads.slice(0, 12)).toHaveLength(12);
    expect([...new Set(reads.slice(0, 5).flat())]).toHaveLength(100);
  });

  it('evaluate to the same numbers, with a smaller last batch', async () => {
    using model = tinyNet(device);
    const { data, reads } = streamedData();
    const result = async (of: ImageDataset<AnySplit>) => {
      for await (const event of evaluate(model, { data: of, batchSize: 16 })) {
        if (event.type === 'result') return { ...event, seconds: 0 };
      }
      return undefined;
    };
    expect(await result(data)).toEqual(await result(resident));
    expect(reads.map(({ length }) => length)).toEqual([16, 14]);
  });

  it('are augmented otherwise in every batch, and the same when a batch comes again', async () => {
    const pattern = Uint8Array.from({ length: 20 * 3 * 8 * 8 }, (_, i) => i);
    const same: AnySplit = {
      ...streamed(resident.train, []),
      read: async ({ indices, into }) => {
        into.set(pattern);
        return indices;
      },
    };
    using loader = new Loader(device, { ...resident, train: same }, same, {
      batchSize: 20,
      shuffle: { seed: 1, augment: true },
    });
    const pixels = (epoch: number, batch: number) =>
      scope(async () => {
        await loader.select(epoch, batch);
        return Buffer.from((await loader.load().x.toArray()).buffer).toString('base64');
      });
    const seen = [await pixels(0, 0), await pixels(0, 1), await pixels(0, 4), await pixels(1, 0), await pixels(1, 1)];
    expect(new Set(seen).size).toBe(5);
    expect(await pixels(0, 1)).toBe(seen[1]);
  });

  it('with too few labels are refused', () => {
    const data = { ...resident, train: { ...streamed(resident.train, []), labels: new Uint8Array(99) } };
    expect(() => new Loader(device, data, data.train, { batchSize: 20 })).toThrow(/99 labels for 100 images/);
  });
});
