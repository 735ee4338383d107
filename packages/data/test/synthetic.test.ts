import { ArgumentError } from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import { syntheticImages } from '../src/synthetic.js';

describe('synthetic images', () => {
  it('have the size and classes asked for', () => {
    const data = syntheticImages({ classes: 7, size: 40, train: 20, test: 9 });
    expect(data).toMatchObject({ name: 'synthetic40', synthetic: true, classes: 7, imageShape: [3, 40, 40] });
    expect([data.train.size, data.train.images.length, data.train.labels.length]).toEqual([20, 20 * 3 * 40 * 40, 20]);
    expect([data.test.size, data.test.images.length, data.test.labels.length]).toEqual([9, 9 * 3 * 40 * 40, 9]);
    expect(new Set(data.train.labels)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]));
  });

  it('are noise: every byte about as often, no two images alike, others for another seed', () => {
    const { train, test } = syntheticImages({ size: 32, train: 100, test: 100 });
    const counts = new Uint32Array(256);
    for (const pixel of train.images) counts[pixel] = (counts[pixel] as number) + 1;
    const each = train.images.length / 256;
    for (const count of counts) expect(Math.abs(count - each)).toBeLessThan(6 * Math.sqrt(each));
    const image = (of: Uint8Array, i: number) => Buffer.from(of.subarray(i * 3072, (i + 1) * 3072)).toString('base64');
    const all = new Set([0, 1, 99].flatMap((i) => [image(train.images, i), image(test.images, i)]));
    expect(all.size).toBe(6);
    expect(syntheticImages({ size: 32, train: 1, test: 1, seed: 1 }).train.images).not.toEqual(
      train.images.subarray(0, 3072),
    );
    expect(Buffer.from(syntheticImages({ size: 32, train: 100, test: 100 }).train.images).equals(train.images)).toBe(
      true,
    );
  });

  it.each([
    ['classes', 0],
    ['size', 1.5],
    ['train', -1],
  ])('refuse %s %d', (name, value) => {
    expect(() => syntheticImages({ [name]: value })).toThrow(ArgumentError);
  });
});
