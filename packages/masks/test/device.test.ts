import { type Device, Mask, openDevice, type SparseLayer } from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { erk, staticRandom } from '../src/index.js';
import { contextOf, resnet32 } from './networks.js';

describe('staticRandom on a device', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice('cpu');
  });
  afterAll(() => device[Symbol.asyncDispose]());

  /** Count and checksum of every mask, counted on the device. */
  async function draw(seed: number, density: number) {
    const layers = resnet32(10).map((layer) => {
      const bits = device.zeros([Math.ceil(layer.size / 32)], { dtype: 'u32' });
      return { ...layer, mask: new Mask(device, bits, layer.shape, 0) } as SparseLayer;
    });
    await staticRandom({ density }).init(contextOf(layers, { seed }));
    const summaries = await Promise.all(layers.map(({ mask }) => mask.summary()));
    for (const { mask } of layers) {
      mask[Symbol.dispose]();
      mask.bits.dispose();
    }
    return summaries;
  }

  it('keeps exactly what ERK allocates, at other places for every seed and layer', async () => {
    const layers = resnet32(10);
    const allocation = erk().allocate(layers, 0.1);
    const first = await draw(1, 0.1);
    expect(first.map(({ kept }) => kept)).toEqual(layers.map(({ name }) => allocation.get(name)));
    expect(await draw(1, 0.1)).toEqual(first);

    const second = await draw(2, 0.1);
    const drawn = layers.filter(({ name, size }) => allocation.get(name) !== size).map(({ name }) => name);
    const checksumOf = (summaries: typeof first, name: string) =>
      summaries[layers.findIndex((layer) => layer.name === name)]?.checksum;
    const checksums = drawn.flatMap((name) => [checksumOf(first, name), checksumOf(second, name)]);
    expect(new Set(checksums).size).toBe(2 * drawn.length);
  });

  it('keeps everything at density 1', async () => {
    const summaries = await draw(0, 1);
    expect(summaries.map(({ kept }) => kept)).toEqual(resnet32(10).map(({ size }) => size));
  });
});
