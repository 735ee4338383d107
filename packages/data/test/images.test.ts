import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensors } from '@s2sam/core';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodes } from '../../../test/support/imageTree.js';
import { type ImagesDataset, type ImagesOptions, imagenet, openImages } from '../src/index.js';
import { isolated, rejection } from './helpers.js';

const place = isolated();
const golden = (name: string): string => fileURLToPath(new URL(`golden/${name}`, import.meta.url));
const { tensors } = await readSafetensors(golden('images.safetensors'));
const bytes = (name: string): Uint8Array => tensors.get(name)?.data as Uint8Array;
const file = (kind: string): Uint8Array => bytes(`${kind}/file`);

/** The tests that all containers must pass: the same images in the same order, with these labels. */
const held = ['half_colours', 'grey', 'progressive', 'png', 'small', 'turned'];

async function writeTree(root: string, split: string, kinds: readonly string[]): Promise<void> {
  for (const [label, kind] of kinds.entries()) {
    const folder = join(root, split, `class${label}`);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${kind}.jpg`), file(kind));
  }
}

/** Opens a data set for the length of `use`. */
async function withImages<T>(options: ImagesOptions, use: (data: ImagesDataset) => Promise<T>): Promise<T> {
  using data = await openImages({ imageSize: 32, resize: 40, workers: 2, ...options });
  return await use(data);
}

interface Wish {
  readonly split?: 'train' | 'test';
  readonly augment?: { readonly seed: number; readonly epoch: number };
}

async function readAll(data: ImagesDataset, indices: number[], { split = 'train', augment }: Wish = {}) {
  const [, height, width] = data.imageShape;
  const into = new Uint8Array(indices.length * 3 * height * width);
  const request = { indices: Int32Array.from(indices), height, width, into };
  const found = await data[split].read(augment === undefined ? request : { ...request, augment });
  const each = 3 * height * width;
  return { found: [...found], images: indices.map((_, i) => into.slice(i * each, (i + 1) * each)) };
}

describe.skipIf(!decodes)('every container (needs libjpeg-turbo)', () => {
  const containers: [string, () => Promise<string>][] = [
    [
      'class folders',
      async () => {
        await writeTree(place.folder, 'train', held);
        await writeTree(place.folder, 'val', held.slice(0, 6));
        return place.folder;
      },
    ],
    ['WebDataset shards made by Python', async () => golden('shards')],
    ['parquet files made by pyarrow', async () => golden('parquet')],
  ];

  it.each(containers)('%s: labels and images in order, in evaluation as torchvision makes them', async (name, root) => {
    await withImages({ root: await root() }, async (data) => {
      expect(data.classes).toBe(6);
      expect([...data.train.labels]).toEqual([0, 1, 2, 3, 4, 5]);
      expect([...data.test.labels].slice(0, 3)).toEqual([0, 1, 2]);
      const { images, found } = await readAll(data, [5, 0, 3, 1, 2, 4]);
      expect(found).toEqual([5, 0, 3, 1, 2, 4]);
      for (const [i, index] of found.entries()) {
        expect(images[i], `${name}: ${held[index]}`).toEqual(bytes(`${held[index]}/centre`));
      }
      const test = await readAll(data, [2, 1], { split: 'test' });
      expect(test.images).toEqual([bytes('progressive/centre'), bytes('grey/centre')]);
    });
  });
});

describe.skipIf(!decodes)('what an image becomes in training (needs libjpeg-turbo)', () => {
  it('depends on seed, epoch and image, and neither on threads, batches, nor the order of reading', async () => {
    await writeTree(place.folder, 'train', held);
    await writeTree(place.folder, 'val', held);
    const augment = { seed: 3, epoch: 2 };
    const read = (workers: number, indices: number[], choice = augment) =>
      withImages({ root: place.folder, workers }, (data) => readAll(data, indices, { augment: choice }));
    const { images } = await read(1, [0, 1, 2, 3, 4, 5]);
    for (const workers of [2, 4]) expect((await read(workers, [0, 1, 2, 3, 4, 5])).images).toEqual(images);
    const others = [...(await read(4, [4, 2])).images, ...(await read(4, [0])).images];
    expect(others).toEqual([images[4], images[2], images[0]]);
    expect((await read(2, [0], { seed: 3, epoch: 3 })).images[0]).not.toEqual(images[0]);
    expect((await read(2, [0], { seed: 4, epoch: 2 })).images[0]).not.toEqual(images[0]);
  });

  it('has the size that is asked for', async () => {
    await writeTree(place.folder, 'train', held);
    await writeTree(place.folder, 'val', held);
    await withImages({ root: place.folder }, async ({ train }) => {
      for (const size of [16, 24, 48]) {
        const into = new Uint8Array(3 * size * size);
        const request = { indices: Int32Array.of(0), height: size, width: size, into };
        await train.read({ ...request, augment: { seed: 0, epoch: 0 } });
        expect(new Set(into).size).toBeGreaterThan(20);
      }
    });
  });
});

/** A picture whose pixels are known, for formats that the golden files lack. */
const pixels = Uint8Array.from({ length: 3 * 40 * 40 }, (_, i) => (i * 7 + Math.floor(i / 120) * 5) % 256);

const markerAt = (content: Uint8Array, marker: number): number =>
  content.findIndex((value, i) => value === 0xff && content[i + 1] === marker);

/** Image files as they are found in the wild, and what is documented to become of them: an image, or this complaint. */
const wild: [name: string, content: () => Uint8Array | Promise<Uint8Array>, outcome: RegExp | (() => Uint8Array)][] = [
  ['truncated', () => file('half_colours').slice(0, 1500), /is truncated: its data end before the image is complete/],
  ['truncated in its header', () => file('half_colours').slice(0, 120), /ends inside the header|is not a sound JPEG/],
  ['CMYK', () => file('cmyk'), () => bytes('cmyk/centre')],
  ['greyscale', () => file('grey'), () => bytes('grey/centre')],
  ['PNG named .jpg', () => file('png'), () => bytes('png/centre')],
  ['0 bytes', () => new Uint8Array(0), /is empty/],
  ['turned by Exif, which torchvision ignores too', () => file('turned'), () => bytes('turned/centre')],
  ['PNG of 16 bits', sixteenBits, () => planes(pixels)],
  [
    'huge header',
    () => withSize(file('half_colours'), 65500),
    /claims to have 65500x65500 pixels, more than the 178956970/,
  ],
  ['progressive', () => file('progressive'), () => bytes('progressive/centre')],
  ['broken marker', () => withoutTables(file('half_colours')), /is not a sound JPEG/],
  [
    'no image at all',
    () => Buffer.from('<html>404 not found</html>'),
    /is neither a JPEG nor an image that sharp can read/,
  ],
  ['with a large comment in its header', () => withComment(file('half_colours')), () => bytes('half_colours/centre')],
];

async function sixteenBits(): Promise<Uint8Array> {
  const wide = Uint16Array.from(pixels, (value) => value * 257);
  const raw = { width: 40, height: 40, channels: 3 } as const;
  return await sharp(wide, { raw }).toColourspace('rgb16').png({ palette: false }).toBuffer();
}

/** The middle 32 x 32 of the picture, as planes. */
function planes(picture: Uint8Array): Uint8Array {
  const at = (c: number, y: number, x: number) => picture[((y + 4) * 40 + x + 4) * 3 + c] as number;
  return Uint8Array.from({ length: 3 * 1024 }, (_, i) => at(i >> 10, (i >> 5) & 31, i & 31));
}

function withSize(content: Uint8Array, side: number): Uint8Array {
  const changed = Buffer.from(content);
  const frame = markerAt(content, 0xc0);
  changed.writeUInt16BE(side, frame + 5);
  changed.writeUInt16BE(side, frame + 7);
  return changed;
}

/** Without the quantization tables, whose markers become nonsense. */
function withoutTables(content: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(content);
  for (let at = markerAt(changed, 0xdb); at >= 0; at = markerAt(changed, 0xdb)) changed[at + 1] = 0xfe;
  return changed;
}

function withComment(content: Uint8Array): Uint8Array {
  const comment = Buffer.alloc(65_537, 'x');
  comment.writeUInt16BE(0xfffe, 0);
  comment.writeUInt16BE(65_535, 2);
  return Buffer.concat([content.subarray(0, 2), comment, comment, content.subarray(2)]);
}

describe.skipIf(!decodes)('files as they are found in the wild (needs libjpeg-turbo)', () => {
  const train = () => join(place.folder, 'train', 'a');

  async function tree(content: Uint8Array): Promise<void> {
    for (const split of ['train', 'val']) {
      const folder = join(place.folder, split, 'a');
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, '1.jpg'), file('half_colours'));
      await writeFile(join(folder, '2.jpg'), content);
      await writeFile(join(folder, '3.jpg'), file('full_colours'));
    }
  }

  it.each(wild)('%s', async (_, make, outcome) => {
    await tree(await make());
    if (typeof outcome === 'function') {
      await withImages({ root: place.folder }, async (data) => {
        const { images } = await readAll(data, [1]);
        expect(images[0]).toEqual(outcome());
      });
      return;
    }
    await withImages({ root: place.folder }, async (data) => {
      const error = await rejection(readAll(data, [0, 1]));
      expect(error.message).toMatch(outcome);
      expect(error.message).toContain(join(train(), '2.jpg'));
      expect(error.message).toMatch(/remove or replace it, or .*broken: skip/);
      expect((await readAll(data, [0])).images[0]).toEqual(bytes('half_colours/centre'));
    });
    const told: string[] = [];
    const skip = { root: place.folder, broken: 'skip', onBroken: (name: string) => told.push(name) } as const;
    await withImages(skip, async (data) => {
      for (let time = 0; time < 2; time++) {
        const { found, images } = await readAll(data, [0, 1, 2]);
        expect(found).toEqual([0, 2, 2]);
        expect(images[1]).toEqual(bytes('full_colours/centre'));
      }
      expect(told).toEqual([join(train(), '2.jpg')]);
    });
  });

  it('a file that vanished', async () => {
    await tree(file('grey'));
    await withImages({ root: place.folder }, async (data) => {
      await rm(join(train(), '2.jpg'));
      const error = await rejection(readAll(data, [1]));
      expect(error.message).toMatch(/2\.jpg cannot be opened: No such file or directory/);
    });
  });

  it('nothing but broken ones ends the search', async () => {
    await tree(new Uint8Array(0));
    await writeFile(join(train(), '1.jpg'), '');
    await writeFile(join(train(), '3.jpg'), '');
    await withImages({ root: place.folder, broken: 'skip' }, async (data) => {
      const error = await rejection(readAll(data, [1]));
      expect(error.message).toMatch(/100 images in a row cannot be read/);
    });
  });

  it('smaller than what is cut out, where nothing may be resized', async () => {
    await tree(file('small'));
    await withImages({ root: place.folder, imageSize: 48, resize: 0 }, async (data) => {
      const error = await rejection(readAll(data, [1]));
      expect(error.message).toMatch(/2\.jpg has 34x33 pixels, fewer than the 48x48 that are cut out/);
    });
  });
});

describe.skipIf(!decodes)('folders that are no data set (needs libjpeg-turbo)', () => {
  const open = (options: Partial<ImagesOptions> = {}) => openImages({ root: place.folder, ...options });

  it('say what they lack', async () => {
    expect((await rejection(open())).message).toMatch(/is no data set: it has neither train and val folders/);
    expect((await rejection(open({ root: join(place.folder, 'none') }))).message).toMatch(/there is no .*none/);
    await writeFile(join(place.folder, 'file.s2pack'), 'nothing');
    expect((await rejection(open({ root: join(place.folder, 'file.s2pack') }))).message).toMatch(/is no packed store/);
  });

  it('with other classes for testing than for training are refused', async () => {
    await writeTree(place.folder, 'train', held);
    await writeTree(place.folder, 'val', held.slice(0, 5));
    expect((await rejection(open())).message).toMatch(/only the first has class5; both need a folder for every class/);
    await mkdir(join(place.folder, 'val', 'class5'), { recursive: true });
    expect((await rejection(open())).message).toMatch(/class5 has no images/);
  });

  it('a damaged shard is named with the place', async () => {
    const root = join(place.folder, 'shards');
    await mkdir(root);
    await copyFile(golden('shards/tiny-validation-0000.tar'), join(root, 'val-0.tar'));
    await writeFile(join(root, 'train-0.tar'), Buffer.alloc(2048, 'x'));
    expect((await rejection(open({ root }))).message).toMatch(/train-0\.tar is damaged: the header at byte 0/);
  });

  it('options out of range are refused', async () => {
    await writeTree(place.folder, 'train', held);
    await writeTree(place.folder, 'val', held);
    expect((await rejection(open({ resize: 100 }))).message).toMatch(
      /resize is 100; it must be 0 or .* >= the image size 224/,
    );
    expect((await rejection(open({ workers: 0 }))).message).toMatch(/workers is 0/);
    expect((await rejection(open({ crop: { area: [0.5, 0.2] } }))).message).toMatch(/crop has area 0.5 to 0.2/);
  });

  it('ImageNet must have its classes, and is not made up', async () => {
    expect((await rejection(imagenet())).message).toMatch(/imagenet is in none of .*image-net\.org/);
    await writeTree(place.folder, 'train', held);
    await writeTree(place.folder, 'val', held);
    expect((await rejection(imagenet({ root: place.folder }))).message).toMatch(/has 6 classes instead of 1000/);
  });
});
