import { type Device, openDevice } from '@s2sam/core';
import { afterEach, describe, expect, it } from 'vitest';

/** [batch, channels, side, filters, kernel, stride]: whole and cut tiles, both strides, a batch with unused lanes. */
const SHAPES = [
  [20, 12, 9, 10, 3, 1],
  [16, 24, 14, 18, 3, 2],
  [16, 70, 7, 66, 1, 1],
  [5, 16, 10, 8, 1, 2],
] as const;
type Shape = (typeof SHAPES)[number];

async function passes(device: Device, [batch, channels, side, filters, kernel, stride]: Shape, density: number) {
  const { native, handle } = device;
  const pad = (kernel - 1) / 2;
  const normal = (shape: number[], key: number, activation = false) => {
    const flat = native.create(handle, 'f32', [shape[0] as number, shape.slice(1).reduce((a, b) => a * b, 1)], false);
    native.randomNormal(flat, key, 0, 0, 1);
    if (!activation) return flat;
    return native.unflatten(flat, shape[1] as number, shape[2] as number, shape[3] as number);
  };
  const outputs = Math.floor((side + 2 * pad - kernel) / stride) + 1;
  const shape = [filters, channels, kernel, kernel];
  const w = native.create(handle, 'f32', shape, false);
  native.randomNormal(w, 7, 7, 0, 0.1);
  const size = filters * channels * kernel * kernel;
  const mask = native.createMask(native.create(handle, 'u32', [Math.ceil(size / 32)], false), shape);
  native.maskRandom(mask, Math.round(size * density), 3, 4);
  native.maskApply(mask, w, w);
  const x = normal([batch, channels, side, side], 1, true);
  const dy = normal([batch, filters, outputs, outputs], 2, true);
  const y = native.conv2d(x, w, mask, stride, stride, pad, pad);
  const dx = native.conv2dBackwardData(dy, w, mask, side, side, stride, stride, pad, pad, 0);
  const dw = native.create(handle, 'f32', shape, false);
  native.conv2dBackwardWeight(x, dy, dw, mask, stride, stride, pad, pad, false, false);
  const results = { y: await native.read(y), dx: await native.read(dx), dw: await native.read(dw) };
  return { ...results, kernels: device.kernelChoices().map(({ kernel }) => kernel.split(',')[0]) };
}

async function withWay(way: string, threads: number, shape: Shape, density: number) {
  process.env.S2SAM_CPU_CONV = way;
  await using device = await openDevice('cpu', { threads });
  return await passes(device, shape, density);
}

afterEach(() => {
  delete process.env.S2SAM_CPU_CONV;
});

describe('the way a masked convolution is computed on the CPU', () => {
  const cases = SHAPES.flatMap((shape) => [0.1, 0.5, 0.8].map((density) => ({ shape, density })));
  it.each(cases)('changes no bit of $shape at density $density, nor does the number of threads', async (one) => {
    const { kernels: sparse, ...expected } = await withWay('sparse', 1, one.shape, one.density);
    const { kernels: dense, ...other } = await withWay('dense', 1, one.shape, one.density);
    expect(sparse.slice(0, 2)).toEqual(['sparse', 'sparse']);
    expect(dense.slice(0, 2)).toEqual(['dense', 'dense']);
    expect(other).toEqual(expected);
    for (const threads of [2, 3, 16]) {
      const { kernels: _, ...timed } = await withWay('', threads, one.shape, one.density);
      expect(timed).toEqual(expected);
    }
  });

  it('is refused by name where it is unknown', async () => {
    await expect(withWay('fast', 1, SHAPES[0], 0.5)).rejects.toThrow(
      'S2SAM_CPU_CONV is "fast", but must be sparse, dense or empty',
    );
  });
});
