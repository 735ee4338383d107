import { ArgumentError, type Split } from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import { proceduralImages } from '../src/index.js';

const small = { train: 200, test: 100 };
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;
const imageOf = ({ images, size }: Split, index: number): Uint8Array => {
  const bytes = images.length / size;
  return images.subarray(index * bytes, (index + 1) * bytes);
};

describe('proceduralImages', () => {
  it('says what it is', () => {
    const data = proceduralImages(small);
    expect(data).toMatchObject({ name: 'procedural-32x32', synthetic: true, classes: 10, imageShape: [3, 32, 32] });
    expect([data.train.size, data.train.images.length, data.train.labels.length]).toEqual([200, 200 * 3072, 200]);
    expect([data.test.size, data.test.images.length, data.test.labels.length]).toEqual([100, 100 * 3072, 100]);
  });

  it('is a function of the seed, and every image one of its index', () => {
    const first = proceduralImages({ ...small, seed: 3 });
    const again = proceduralImages({ train: 300, test: 100, seed: 3 });
    expect(same(again.train.images.subarray(0, first.train.images.length), first.train.images)).toBe(true);
    expect(same(again.test.images, first.test.images)).toBe(true);
    const other = proceduralImages({ ...small, seed: 4 });
    expect(same(imageOf(other.train, 0), imageOf(first.train, 0))).toBe(false);
    expect(same(imageOf(first.test, 0), imageOf(first.train, 0))).toBe(false);
  });

  it('has no image twice', () => {
    const { train } = proceduralImages({ classes: 2, train: 1000, test: 1 });
    const images = Array.from({ length: train.size }, (_, image) =>
      Buffer.from(imageOf(train, image)).toString('latin1'),
    );
    expect(new Set(images).size).toBe(1000);
  });

  it.each([2, 7, 10, 23, 100])('has all of %d classes equally often', (classes) => {
    const data = proceduralImages({ classes, train: 5 * classes, test: 2 * classes });
    for (const [split, each] of [
      [data.train, 5],
      [data.test, 2],
    ] as const) {
      const counts = new Map<number, number>();
      for (const label of split.labels) counts.set(label, (counts.get(label) ?? 0) + 1);
      expect([...counts.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: classes }, (_, index) => index));
      expect([...counts.values()]).toEqual(new Array(classes).fill(each));
    }
  });

  it('has the mean and deviation it is normalised with', () => {
    const { train, mean, std } = proceduralImages({ train: 2000, test: 1 });
    for (const channel of [0, 1, 2]) {
      let [sum, squares] = [0, 0];
      for (let image = 0; image < train.size; image++) {
        for (const value of imageOf(train, image).subarray(channel * 1024, (channel + 1) * 1024)) {
          sum += value / 255;
          squares += (value / 255) ** 2;
        }
      }
      const average = sum / (train.size * 1024);
      const deviation = Math.sqrt(squares / (train.size * 1024) - average ** 2);
      expect(Math.abs(average - (mean[channel] as number))).toBeLessThan(0.015);
      expect(Math.abs(deviation - (std[channel] as number))).toBeLessThan(0.01);
    }
  });

  /** Share of test images whose nearest neighbour among `train` vectors has their label. */
  const nearest = (
    train: Float32Array[],
    labels: ArrayLike<number>,
    test: Float32Array[],
    wanted: ArrayLike<number>,
  ) => {
    const distance = (a: Float32Array, b: Float32Array) => {
      let sum = 0;
      for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
      return sum;
    };
    const hits = test.filter((vector, index) => {
      let best = { far: Infinity, label: -1 };
      for (const [i, other] of train.entries()) {
        const far = distance(vector, other);
        if (far < best.far) best = { far, label: labels[i] as number };
      }
      return best.label === wanted[index];
    });
    return hits.length / test.length;
  };

  it('cannot be told apart by the mean image of each class', () => {
    const { train, test } = proceduralImages({ train: 2000, test: 300 });
    const centroids = Array.from({ length: 10 }, () => new Float32Array(3072));
    for (let image = 0; image < train.size; image++) {
      const centroid = centroids[train.labels[image] as number] as Float32Array;
      imageOf(train, image).forEach((value, i) => {
        centroid[i] = (centroid[i] as number) + value / (train.size / 10);
      });
    }
    const vectors = Array.from({ length: test.size }, (_, image) => Float32Array.from(imageOf(test, image)));
    expect(nearest(centroids, [...Array(10).keys()], vectors, test.labels)).toBeLessThan(0.3);
  });

  it('shows its class once position, size and colour are taken away', () => {
    // The grey image, split in two at the middle of its range, the smaller part taken as the shape, moved and scaled to a
    // 16 x 16 grid by its mean and spread: with that, the nearest neighbour is right for most images (chance is 0.1).
    const normalised = (pixels: Uint8Array): Float32Array => {
      const at = (i: number) => pixels[i] as number;
      const grey = Float32Array.from({ length: 1024 }, (_, i) => at(i) + at(1024 + i) + at(2048 + i));
      const blurred = grey.map(
        (value, i) => (value + (grey[i + 1] ?? value) + (grey[i + 32] ?? value) + (grey[i + 33] ?? value)) / 4,
      );
      const middle = (Math.min(...blurred) + Math.max(...blurred)) / 2;
      const corners = [0, 30, 31 * 31, 30 * 32].filter((i) => (blurred[i] as number) > middle).length;
      const inside = [...blurred.keys()].filter((i) => (blurred[i] as number) > middle === corners < 2);
      const mean = (of: (i: number) => number) => inside.reduce((sum, i) => sum + of(i), 0) / inside.length;
      const [cx, cy] = [mean((i) => i % 32), mean((i) => i >> 5)];
      const spread = Math.sqrt(mean((i) => ((i % 32) - cx) ** 2 + ((i >> 5) - cy) ** 2));
      const filled = new Set(inside);
      const grid = new Float32Array(256);
      for (let cell = 0; cell < 256; cell++) {
        const x = Math.round(cx + (((cell % 16) - 7.5) / 4) * spread);
        const y = Math.round(cy + (((cell >> 4) - 7.5) / 4) * spread);
        if (x >= 0 && x < 32 && filled.has(y * 32 + x)) grid[cell] = 1;
      }
      return grid;
    };
    const { train, test } = proceduralImages({ train: 1000, test: 200 });
    const vectors = (split: Split) =>
      Array.from({ length: split.size }, (_, image) => normalised(imageOf(split, image)));
    expect(nearest(vectors(train), train.labels, vectors(test), test.labels)).toBeGreaterThan(0.5);
  });

  it.each([
    ['classes', 1],
    ['classes', 101],
    ['classes', 2.5],
    ['size', 8],
    ['train', 0],
    ['test', -1],
    ['seed', Number.NaN],
  ])('refuses %s %d', (name, value) => {
    expect(() => proceduralImages({ [name]: value })).toThrow(ArgumentError);
    expect(() => proceduralImages({ [name]: value })).toThrow(
      `proceduralImages: ${name} is ${value}; it must be a whole number`,
    );
  });

  it('comes in other sizes', () => {
    const data = proceduralImages({ size: 50, train: 10, test: 10 });
    expect(data).toMatchObject({ name: 'procedural-50x50', imageShape: [3, 50, 50], augmentation: { pad: 6 } });
    expect(data.train.images.length).toBe(10 * 3 * 50 * 50);
  });
});
