import { fileURLToPath } from 'node:url';
import { philox, readSafetensors, streamKey } from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodes } from '../../../test/support/imageTree.js';
import { Decoder, type ReadOptions } from '../src/images/decoder.js';

const path = fileURLToPath(new URL('golden/images.safetensors', import.meta.url));
const { tensors } = await readSafetensors(path);
const bytes = (name: string): Uint8Array => tensors.get(name)?.data as Uint8Array;
const kinds = [...tensors.keys()].filter((name) => name.endsWith('/file')).map((name) => name.slice(0, -5));

let decoder: Decoder;
beforeAll(() => {
  if (decodes) decoder = new Decoder(2);
});
afterAll(() => decoder?.[Symbol.dispose]());

const crop = { leastArea: 1, mostArea: 1, leastRatio: 1, mostRatio: 1, flip: false, key0: 1, key1: 2, epoch: 0 };

async function read(place: Parameters<Decoder['read']>[0][number], options: Partial<ReadOptions>): Promise<Uint8Array> {
  const { width = 32, height = 32 } = options;
  const into = new Uint8Array(3 * width * height);
  const settings = { width, height, resize: 0, indices: Int32Array.of(0), ...options, into };
  expect(await decoder.read([place], settings)).toEqual([]);
  return into;
}

describe.skipIf(!decodes).each(kinds)('%s (needs libjpeg-turbo)', (kind) => {
  const place = { bytes: bytes(`${kind}/file`) };

  it('resized and cut out in the middle is what torchvision makes of it, bit for bit', async () => {
    expect(await read(place, { resize: 40 })).toEqual(bytes(`${kind}/centre`));
  });

  it('cut out in the middle, not resized', async () => {
    expect(await read(place, { resize: 0 })).toEqual(bytes(`${kind}/plain`));
  });
});

/** Kinds that training does not shrink while it decodes them, which other programs do not do. */
const unshrunk = kinds.filter((kind) => kind !== 'large');

describe.skipIf(!decodes)('random crops (needs libjpeg-turbo)', () => {
  it.each(unshrunk)('of all of %s are what torchvision makes of it', async (kind) => {
    const place = { bytes: bytes(`${kind}/file`) };
    const size = await sizeOf(kind);
    const ratio = size.width / size.height;
    const random = { ...crop, leastRatio: ratio, mostRatio: ratio };
    expect(await read(place, { width: 36, height: 36, random })).toEqual(bytes(`${kind}/whole`));
    const seen = new Set<string>();
    for (let index = 0; index < 12; index++) {
      const turned = { width: 36, height: 36, random: { ...random, flip: true }, indices: Int32Array.of(index) };
      const pixels = await read(place, turned);
      const which = ['whole', 'flipped'].find((name) => Buffer.compare(pixels, bytes(`${kind}/${name}`)) === 0);
      seen.add(which ?? 'neither');
    }
    expect([...seen].sort()).toEqual(['flipped', 'whole']);
  });

  it('that are much larger than what is made of them are close to it', async () => {
    const random = { ...crop, leastRatio: 230 / 180, mostRatio: 230 / 180 };
    const pixels = await read({ bytes: bytes('large/file') }, { width: 36, height: 36, random });
    const wanted = bytes('large/whole');
    const difference = pixels.reduce((sum, value, i) => sum + Math.abs(value - (wanted[i] as number)), 0);
    expect(difference / pixels.length).toBeLessThan(3);
  });

  it('have areas and shapes as torchvision draws them, over 4000 images', async () => {
    const count = 4000;
    const side = 200;
    // Red tells the column, green the row: what is cut out can be read off its corners.
    const pixels = new Uint8Array(3 * side * side);
    for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) pixels.set([x, y, 0], 3 * (y * side + x));
    const into = new Uint8Array(count * 3 * 64);
    const random = { ...crop, leastArea: 0.08, leastRatio: 3 / 4, mostRatio: 4 / 3, flip: true };
    const indices = Int32Array.from({ length: count }, (_, i) => i);
    const places = Array.from({ length: count }, () => ({ bytes: pixels, width: side, height: side }));
    const raw = decoder as unknown as { read(places: unknown, options: ReadOptions): Promise<unknown> };
    expect(await raw.read(places, { width: 8, height: 8, resize: 0, random, indices, into })).toEqual([]);
    const crops = Array.from({ length: count }, (_, i) => {
      const at = (channel: number, x: number, y: number) => into[i * 192 + channel * 64 + y * 8 + x] as number;
      // Centres of the outermost of 8 pixels are 7/8 of the extent apart.
      const width = (Math.abs(at(0, 7, 0) - at(0, 0, 0)) * 8) / 7;
      const height = ((at(1, 0, 7) - at(1, 0, 0)) * 8) / 7;
      return {
        area: (width * height) / side ** 2,
        shape: Math.log(width / height),
        flipped: at(0, 7, 0) < at(0, 0, 0),
      };
    });
    const expected = simulated(side, 20_000);
    for (const share of [0.1, 0.25, 0.5, 0.75, 0.9]) {
      expect(quantile(crops, 'area', share)).toBeCloseTo(quantile(expected, 'area', share), 1);
      expect(Math.abs(quantile(crops, 'shape', share) - quantile(expected, 'shape', share))).toBeLessThan(0.03);
    }
    const flipped = crops.filter((one) => one.flipped).length / count;
    expect(Math.abs(flipped - 0.5)).toBeLessThan(4 * Math.sqrt(0.25 / count));
  });
});

interface Drawn {
  readonly area: number;
  readonly shape: number;
}

/** RandomResizedCrop.get_params for a square, by its description. */
function simulated(side: number, count: number): Drawn[] {
  const draw = (() => {
    let counter = 0;
    const key = streamKey(99, 'simulation');
    return () => philox(key, counter++)[0] / 2 ** 32;
  })();
  return Array.from({ length: count }, () => {
    for (let attempt = 0; attempt < 10; attempt++) {
      const target = side ** 2 * (0.08 + 0.92 * draw());
      const ratio = Math.exp(Math.log(3 / 4) + (Math.log(4 / 3) - Math.log(3 / 4)) * draw());
      const [width, height] = [Math.round(Math.sqrt(target * ratio)), Math.round(Math.sqrt(target / ratio))];
      if (width <= side && height <= side)
        return { area: (width * height) / side ** 2, shape: Math.log(width / height) };
    }
    return { area: 1, shape: 0 };
  });
}

function quantile(drawn: readonly Drawn[], of: keyof Drawn, share: number): number {
  return drawn.map((one) => one[of]).sort((a, b) => a - b)[Math.floor(share * drawn.length)] as number;
}

async function sizeOf(kind: string): Promise<{ width: number; height: number }> {
  const [packed] = await decoder.pack([{ bytes: bytes(`${kind}/file`) }], 4096, 0);
  if (packed === undefined || !('width' in packed)) throw new Error(`${kind} cannot be packed`);
  return packed;
}

describe.skipIf(!decodes)('files of noise (needs libjpeg-turbo)', () => {
  it('that were damaged anywhere never do harm, and leave the decoder usable', async () => {
    const key = streamKey(7, 'damage');
    const file = bytes('half_colours/file');
    const places = Array.from({ length: 1500 }, (_, i) => {
      const damaged = Uint8Array.from(bytes(`${kinds[i % kinds.length]}/file`));
      const [at = 0, value = 0, cut = 0, more = 0] = philox(key, i);
      for (let k = 0; k <= more % 4; k++) damaged[(at + k * 977) % damaged.length] = (value >>> (8 * k)) & 255;
      return { bytes: i % 3 === 0 ? damaged.subarray(0, cut % damaged.length) : damaged };
    });
    for (const random of [undefined, { ...crop, leastArea: 0.08, leastRatio: 0.75, mostRatio: 1.3 }]) {
      const indices = Int32Array.from(places, (_, i) => i);
      const into = new Uint8Array(places.length * 3 * 32 * 32);
      const options = { width: 32, height: 32, resize: 40, indices, into };
      const broken = await decoder.read(places, random === undefined ? options : { ...options, random });
      expect(broken.length).toBeGreaterThan(300);
      expect(broken.length).toBeLessThan(1500);
      for (const { message } of broken) expect(message.length).toBeGreaterThan(5);
    }
    expect(await read({ bytes: file }, { resize: 40 })).toEqual(bytes('half_colours/centre'));
  });
});
