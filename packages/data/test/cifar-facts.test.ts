import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { env } from 'node:process';
import type { ImageDataset, Split } from '@s2sam/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { cifar10 } from '../src/index.js';

const root = env.S2SAM_DATA ?? '';
const present = ['', 'cifar-10-batches-bin'].some((folder) => existsSync(join(root, folder, 'data_batch_1.bin')));
if (!present) console.log('skipped: facts of CIFAR-10, since S2SAM_DATA names no folder with its binary files');

describe.runIf(present)('the real CIFAR-10', () => {
  let data: ImageDataset;
  beforeAll(async () => {
    data = await cifar10({ root, download: false });
  });

  const counts = ({ labels }: Split) => {
    const found = new Array<number>(10).fill(0);
    for (const label of labels) found[label] = (found[label] ?? 0) + 1;
    return found;
  };
  const rgb = ({ images }: Split, image: number, y: number, x: number) =>
    [0, 1, 2].map((channel) => images[((image * 3 + channel) * 32 + y) * 32 + x]);

  it('has 50,000 and 10,000 images, 5,000 and 1,000 of each class', () => {
    expect([data.train.size, data.test.size]).toEqual([50_000, 10_000]);
    expect(counts(data.train)).toEqual(new Array(10).fill(5000));
    expect(counts(data.test)).toEqual(new Array(10).fill(1000));
  });

  it('begins with the images and labels everybody knows: a frog, two trucks; a cat, two ships', () => {
    expect([...data.train.labels.slice(0, 5)]).toEqual([6, 9, 9, 4, 1]);
    expect([...data.test.labels.slice(0, 5)]).toEqual([3, 8, 8, 0, 6]);
    expect(rgb(data.train, 0, 0, 0)).toEqual([59, 62, 63]);
    expect(rgb(data.test, 0, 0, 0)).toEqual([158, 112, 49]);
  });

  it('has the channel means it is normalised with', () => {
    const sums = [0, 0, 0];
    for (let index = 0; index < data.train.images.length; index++) {
      const channel = Math.floor(index / 1024) % 3;
      sums[channel] = (sums[channel] as number) + (data.train.images[index] as number);
    }
    const means = sums.map((sum) => sum / 255 / 1024 / 50_000);
    for (const [channel, mean] of data.mean.entries()) expect(means[channel]).toBeCloseTo(mean, 3);
  });
});
