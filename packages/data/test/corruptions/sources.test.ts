import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArgumentError, DataError, type Split } from '@s2sam/core';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  benchmarkCorruptions,
  checkCorruptions,
  checkSeverities,
  corruptionNames,
  extraCorruptions,
  openCifarC,
  openCorruptions,
  openImageNetC,
  proceduralImages,
} from '../../src/index.js';
import { isolated, rejection } from '../helpers.js';
import { int64Labels, writeNpy } from './files.js';

const place = isolated();
const at = (...parts: string[]): string => join(place.folder, ...parts);
const IMAGE = 32 * 32 * 3;
const SHAPE = '50000, 32, 32, 3';

/** The released layout: every byte tells image, pixel and channel. */
const value = (image: number, pixel: number, channel: number): number => (image * 31 + pixel * 3 + channel * 101) % 256;
function released(): Uint8Array {
  const pattern = Buffer.alloc(256 * IMAGE);
  for (let image = 0; image < 256; image++)
    for (let pixel = 0; pixel < 1024; pixel++)
      for (let channel = 0; channel < 3; channel++)
        pattern[image * IMAGE + pixel * 3 + channel] = value(image, pixel, channel);
  const all = Buffer.alloc(50_000 * IMAGE);
  for (let begin = 0; begin < all.length; begin += pattern.length) pattern.copy(all, begin);
  return all;
}

describe('names', () => {
  it('are 15 and 4', () => {
    expect([benchmarkCorruptions.length, extraCorruptions.length]).toEqual([15, 4]);
    expect(new Set(corruptionNames).size).toBe(19);
  });

  it('are checked and put in order', () => {
    expect(checkCorruptions('eval', ['snow', 'shot_noise', 'snow'])).toEqual(['shot_noise', 'snow']);
    expect(checkSeverities('eval', [3, 1, 3])).toEqual([1, 3]);
    expect(() => checkCorruptions('eval', ['rain'])).toThrow(ArgumentError);
    expect(() => checkCorruptions('eval', ['rain'])).toThrow(
      "eval: unknown corruption 'rain'; there are gaussian_noise",
    );
    expect(() => checkSeverities('eval', [0])).toThrow('eval: severity is 0; severities are 1, 2, 3, 4 and 5');
    expect(() => checkSeverities('eval', [])).toThrow('no severity is given');
  });
});

describe('CIFAR-C as released', () => {
  beforeEach(() => writeNpy(place.folder, 'labels.npy', '<i8', '50000,', int64Labels(50_000, 10)));

  it('gives 10,000 images of a severity as planes', async () => {
    writeNpy(place.folder, 'fog.npy', '|u1', SHAPE, released());
    const source = openCifarC(place.folder, 'cifar10');
    expect(source).toMatchObject({ name: 'cifar10-c', generated: false, alexNet: false });
    expect([...source.available]).toEqual([['fog', [1, 2, 3, 4, 5]]]);
    for (const severity of [1, 4] as const) {
      const data = await source.open('fog', severity);
      const { size, images, labels } = data.test as Split;
      expect([data.name, size, images.length]).toEqual([`cifar10-c/fog/${severity}`, 10_000, 10_000 * IMAGE]);
      for (const [image, pixel, channel] of [
        [0, 0, 0],
        [0, 5, 2],
        [77, 1023, 1],
        [9999, 33, 0],
      ] as const) {
        const stored = ((severity - 1) * 10_000 + image) % 256;
        expect(images[image * IMAGE + channel * 1024 + pixel]).toBe(value(stored, pixel, channel));
      }
      expect([labels[0], labels[9], labels[9999]]).toEqual([0, 9, 9]);
    }
  });

  it('refuses labels of the other data set', async () => {
    writeNpy(place.folder, 'fog.npy', '|u1', SHAPE, Buffer.alloc(50_000 * IMAGE));
    expect((await rejection(openCifarC(place.folder, 'cifar100').open('fog', 1))).message).toMatch(
      /labels\.npy: the highest label is 9; those of cifar100 reach 99/,
    );
    writeNpy(place.folder, 'labels.npy', '<i8', '50000,', int64Labels(50_000, 100));
    expect((await rejection(openCifarC(place.folder, 'cifar10').open('fog', 1))).message).toMatch(
      /labels\.npy: label 10 is not from 0 to 9, those of cifar10/,
    );
    const data = await openCifarC(place.folder, 'cifar100').open('fog', 5);
    expect(data).toMatchObject({ classes: 100, name: 'cifar100-c/fog/5' });
  });

  it('refuses another shape: a subset without its note, or floats', async () => {
    writeNpy(place.folder, 'fog.npy', '|u1', '10, 32, 32, 3', Buffer.alloc(10 * IMAGE));
    expect((await rejection(openCifarC(place.folder, 'cifar10').open('fog', 1))).message).toMatch(
      /fog\.npy: its shape is \(10,32,32,3\); it must be \(50000,32,32,3\), as the released files are/,
    );
  });

  it('says what a folder lacks', () => {
    expect(() => openCifarC(place.folder, 'cifar10')).toThrow(DataError);
    expect(() => openCifarC(place.folder, 'cifar10')).toThrow('has no file of a corruption (gaussian_noise.npy, ...)');
    expect(() => openCorruptions(place.folder, {})).toThrow('holds no corrupted images');
    expect(() => openCorruptions(at('nowhere'), {})).toThrow(/nowhere: it, or the folder it lies in, does not exist/);
  });

  it.each(['{', '{"generated": true}', '{"generated": true, "source": "cifar10", "dataset": "cifar10-c"}'])(
    'refuses a damaged note: %s',
    (note) => {
      writeNpy(place.folder, 'fog.npy', '|u1', '1, 32, 32, 3', Buffer.alloc(IMAGE));
      writeFileSync(at('generated.json'), note);
      expect(() => openCifarC(place.folder, 'cifar10')).toThrow(/generated\.json is damaged/);
    },
  );
});

describe('ImageNet-C as released', () => {
  const opened: string[] = [];
  const openTree = async (folder: string) => {
    opened.push(folder);
    return { ...proceduralImages({ train: 1, test: 4, classes: 2 }), name: 'tree' };
  };

  it('finds severities of corruptions, with or without the folders of the groups', async () => {
    mkdirSync(at('fog', '1', 'n01440764'), { recursive: true });
    mkdirSync(at('fog', '5', 'n01440764'), { recursive: true });
    mkdirSync(at('noise', 'shot_noise', '3', 'n01440764'), { recursive: true });
    mkdirSync(at('extra', 'spatter', '2'), { recursive: true });
    mkdirSync(at('blur', 'shot_noise', '1'), { recursive: true }); // not its group
    mkdirSync(at('rain', '1'), { recursive: true });
    const source = openImageNetC(place.folder, openTree);
    expect(source).toMatchObject({ name: 'imagenet-c', generated: false, alexNet: true });
    expect(Object.fromEntries(source.available)).toEqual({ fog: [1, 5], shot_noise: [3], spatter: [2] });
    opened.length = 0;
    expect((await source.open('fog', 5)).name).toBe('imagenet-c/fog/5');
    await source.open('shot_noise', 3);
    expect(opened).toEqual([at('fog', '5'), at('noise', 'shot_noise', '3')]);
    expect((await rejection(source.open('fog', 2))).message).toMatch(/has no fog of severity 2; unpack its archive/);
    expect(openCorruptions(place.folder, { openTree }).name).toBe('imagenet-c');
    expect(() => openCorruptions(place.folder, {})).toThrow('is a tree of image files, which cannot be opened');
  });

  it('says what it looked for', () => {
    expect(() => openImageNetC(at('nowhere'), openTree)).toThrow(
      /no folder of a corruption; expected e\.g\. .*gaussian/,
    );
  });
});
