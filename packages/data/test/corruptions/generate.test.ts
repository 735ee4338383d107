import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ImageDataset, readSafetensors } from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodes } from '../../../../test/support/imageTree.js';
import { corrupted } from '../../src/corruptions/generate/generate.js';
import type { CorruptionName, Severity } from '../../src/index.js';
import { generateCifarC, generatedCorruptions, openCifarC, severities } from '../../src/index.js';

const goldens = fileURLToPath(new URL('../golden/corruptions.safetensors', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 's2sam-corrupt-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** How many bytes differ, and by how much at most. */
function differences(actual: Uint8Array, expected: Uint8Array): { count: number; most: number } {
  let [count, most] = [Math.abs(actual.length - expected.length), 0];
  for (const [i, value] of expected.entries()) {
    const distance = Math.abs(value - (actual[i] as number));
    if (distance > 0) count += 1;
    most = Math.max(most, distance);
  }
  return { count, most };
}

describe('corruptions without chance', () => {
  const exact: CorruptionName[] = ['pixelate', ...(decodes ? (['jpeg_compression'] as const) : [])];
  it.each(exact)('%s is that of Pillow, bit for bit', async (name) => {
    const { tensors } = await readSafetensors(goldens);
    for (const severity of severities) {
      const made = await corrupted(tensors.get('images')?.data as Uint8Array, name, severity, 0);
      expect(differences(made, tensors.get(`${name}/${severity}`)?.data as Uint8Array), `${severity}`).toEqual({
        count: 0,
        most: 0,
      });
    }
  });

  // Numbers are cut off to bytes, so the last bit of a sum decides, by 1, wherever the exact one is whole: often in plain areas, as the
  // second image has them.
  it.each(['brightness', 'saturate', 'contrast', 'gaussian_blur', 'defocus_blur'] as const)(
    '%s is that of Python and SciPy',
    async (name) => {
      const { tensors } = await readSafetensors(goldens);
      const images = tensors.get('images')?.data as Uint8Array;
      for (const severity of severities) {
        const made = await corrupted(images, name, severity, 0);
        const expected = tensors.get(`${name}/${severity}`)?.data as Uint8Array;
        expect(differences(made, expected).most, `${severity}`).toBeLessThanOrEqual(1);
        const first = differences(made.subarray(0, 3072), expected.subarray(0, 3072));
        expect(first.count, `${severity}`).toBeLessThan(0.1 * 3072);
        expect(differences(made, images).count, `${severity}`).toBeGreaterThan(1000);
      }
    },
  );
});

describe('noise', () => {
  const IMAGES = 40;
  const level = 102; // 0.4
  const grey = new Uint8Array(IMAGES * 3072).fill(level);
  const share = level / 255;

  /** Mean and variance in 0..1; bytes are cut off, so half a step is added. */
  async function moments(name: CorruptionName, severity: Severity): Promise<[number, number]> {
    const values = Array.from(await corrupted(grey, name, severity, 0), (byte) => (byte + 0.5) / 255);
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    return [mean, values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length];
  }

  it.each<[CorruptionName, readonly number[], (c: number) => number]>([
    ['gaussian_noise', [0.04, 0.06, 0.08, 0.09, 0.1], (c) => c * c],
    ['speckle_noise', [0.06, 0.1, 0.12, 0.16, 0.2], (c) => (c * share) ** 2],
    ['shot_noise', [500, 250, 100, 75, 50], (c) => share / c],
  ])('%s has the mean of the image and the variance of the constants', async (name, constants, variance) => {
    for (const severity of severities) {
      const exact = variance(constants[severity - 1] as number);
      const [mean, found] = await moments(name, severity);
      // Shot noise takes few values, whose cut-off is not spread evenly: half a step of a byte.
      expect(Math.abs(mean - share), `${severity}`).toBeLessThan(0.5 / 255);
      expect(Math.abs(found / exact - 1), `${severity}`).toBeLessThan(0.05);
    }
  });

  it('impulse_noise makes half of the share 0 and half of it 255, and leaves the rest', async () => {
    for (const [index, amount] of [0.01, 0.02, 0.03, 0.05, 0.07].entries()) {
      const made = await corrupted(grey, 'impulse_noise', (index + 1) as Severity, 0);
      const part = (value: number): number => made.filter((byte) => byte === value).length / made.length;
      const deviation = Math.sqrt(amount / 2 / made.length);
      expect(Math.abs(part(0) - amount / 2)).toBeLessThan(5 * deviation);
      expect(Math.abs(part(255) - amount / 2)).toBeLessThan(5 * deviation);
      expect(part(0) + part(255) + part(level)).toBeCloseTo(1, 12);
    }
  });

  it('differs from image to image and from seed to seed, and is the same again', async () => {
    const once = await corrupted(grey, 'gaussian_noise', 3, 0);
    expect(await corrupted(grey, 'gaussian_noise', 3, 0)).toEqual(once);
    expect(differences(await corrupted(grey, 'gaussian_noise', 3, 1), once).count).toBeGreaterThan(50_000);
    expect(differences(once.subarray(0, 3072), once.subarray(3072, 6144)).count).toBeGreaterThan(1500);
  });
});

describe('generateCifarC', () => {
  const test = {
    size: 12,
    images: Uint8Array.from({ length: 12 * 3072 }, (_, i) => (7 * i + (i >> 9)) % 256),
    labels: Uint8Array.from({ length: 12 }, (_, i) => i % 10),
  };
  const data: ImageDataset = {
    name: 'cifar10',
    synthetic: false,
    classes: 10,
    imageShape: [3, 32, 32],
    mean: [0, 0, 0],
    std: [1, 1, 1],
    augmentation: { pad: 0, flip: false },
    train: test,
    test,
  };
  const at = (name: string): string => join(folder, name);

  it('writes what is read as generated, all severities of all that can be made', async () => {
    const only = decodes ? undefined : generatedCorruptions.filter((name) => name !== 'jpeg_compression');
    await generateCifarC(at('all'), data, { only, images: 10 });
    const source = openCifarC(at('all'), 'cifar10');
    expect([source.name, source.generated]).toEqual(['cifar10-c-generated', true]);
    expect([...source.available.keys()].sort()).toEqual([...(only ?? generatedCorruptions)].sort());
    const { test: found } = await source.open('contrast', 5);
    expect([found.size, Array.from(found.labels)]).toEqual([10, Array.from(test.labels.slice(0, 10))]);
    // Most contrast is gone: the numbers of an image are close together.
    const { images } = found as { images: Uint8Array };
    expect(Math.max(...images) - Math.min(...images)).toBeLessThan(60);
  });

  it('gives the same bytes again, goes on where it was ended, and keeps what is there', async () => {
    const choices = { only: ['shot_noise', 'brightness'], severities: [2, 4] };
    await generateCifarC(at('one'), data, choices);
    await generateCifarC(at('two'), data, { ...choices, only: ['brightness'] });
    expect(existsSync(at('two/shot_noise.npy'))).toBe(false);
    await generateCifarC(at('two'), data, choices);
    for (const file of ['shot_noise.npy', 'brightness.npy', 'labels.npy', 'generated.json']) {
      expect(readFileSync(at(`two/${file}`)).equals(readFileSync(at(`one/${file}`))), file).toBe(true);
    }
    await expect(generateCifarC(at('one'), data, { ...choices, seed: 1 })).rejects.toThrow(/images of other choices/);
  });

  it('writes over nothing', async () => {
    writeFileSync(join(folder, 'kept.npy'), 'mine');
    await expect(generateCifarC(folder, data)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_DATA',
        message: expect.stringContaining('is not empty; name a new folder'),
      }),
    );
    expect(readFileSync(join(folder, 'kept.npy'), 'utf8')).toBe('mine');
  });

  it.each([
    [{ only: ['frost'] }, /frost cannot be made from clean images alone; take the released files/],
    [{ only: ['rain'] }, /unknown corruption 'rain'/],
    [{ severities: [6] }, /severity is 6/],
    [{ images: 13 }, /images is 13; there are 12/],
  ])('refuses %j and leaves no folder behind', async (options, message) => {
    await expect(generateCifarC(at('refused'), data, options)).rejects.toThrow(message);
    expect(existsSync(at('refused'))).toBe(false);
  });
});
