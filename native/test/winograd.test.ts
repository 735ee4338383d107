import { describe, expect, it } from 'vitest';
import { type DeviceHandle, loadCpu } from '../lib/index.js';
import { type Case, convolution, plus, worstError } from './support/convolution.js';

const native = loadCpu();

/** 3x3, padding 1: whole and cut tiles in both directions, unused lanes, channels that fill no register tile. */
const shape = (n: number, c: number, h: number, w: number, o: number): Case => {
  return { n, c, h, w, o, kernel: [3, 3], stride: [1, 1], pad: [1, 1] };
};
const SHAPES = [shape(16, 16, 8, 8, 16), shape(20, 17, 9, 7, 19), shape(16, 40, 7, 7, 21), shape(33, 16, 4, 6, 50)];

const noise = (count: number, key: number): Float32Array => {
  let state = key;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
};

/** y, dx added to what was there, and dw, with a mask of this density and the names of the kernels. */
async function compute(handle: DeviceHandle, s: Case, density: number) {
  const [size, pixels] = [s.o * s.c * 9, s.h * s.w];
  const images = (values: Float32Array, channels: number) => {
    const flat = native.create(handle, 'f32', [s.n, channels * pixels], false);
    native.write(flat, values);
    return native.unflatten(flat, channels, s.h, s.w);
  };
  const [x, dy, before] = [noise(s.n * s.c * pixels, 1), noise(s.n * s.o * pixels, 2), noise(s.n * s.c * pixels, 3)];
  const weights = [s.o, s.c, 3, 3];
  const w = native.create(handle, 'f32', weights, false);
  native.write(w, noise(size, 4));
  const mask = native.createMask(native.create(handle, 'u32', [Math.ceil(size / 32)], false), weights);
  native.maskRandom(mask, Math.round(size * density), 5, 6);
  native.maskApply(mask, w, w);
  const dw = native.create(handle, 'f32', weights, false);
  const [xs, dys, dx] = [images(x, s.c), images(dy, s.o), images(before, s.c)];
  const y = native.conv2d(xs, w, mask, 1, 1, 1, 1);
  native.conv2dBackwardData(dys, w, mask, s.h, s.w, 1, 1, 1, 1, dx);
  native.conv2dBackwardWeight(xs, dys, dw, mask, 1, 1, 1, 1, false, false);
  const got = { y: await native.read(y), dx: await native.read(dx), dw: await native.read(dw) };
  const used = { x, dy, before, w: (await native.read(w)) as Float32Array };
  return { got, used, kernels: native.choices(handle).map(({ kernel }) => kernel) };
}

async function onThreads(threads: number, s: Case, density: number) {
  const device = native.openDevice(0, threads);
  try {
    return await compute(device, s, density);
  } finally {
    native.closeDevice(device);
  }
}

describe("Winograd's method", () => {
  it.each(SHAPES.flatMap((s) => [1, 0.6].map((density) => ({ s, density, c: s.c, o: s.o, h: s.h, w: s.w }))))(
    'computes $c to $o channels of $h x $w at density $density as the definition says, on any number of threads',
    async ({ s, density }) => {
      const { got, used, kernels } = await onThreads(1, s, density);
      expect(kernels).toEqual(['dense, Winograd', 'dense, Winograd', 'dense, Winograd']);
      const expected = convolution(s, used.x, used.w, used.dy);
      expect(worstError(got.y, expected.y)).toBeLessThan(2e-6);
      expect(worstError(got.dx, plus(expected.dx, used.before))).toBeLessThan(2e-6);
      const kept = used.w.map((value) => (value === 0 ? 0 : 1));
      const dw = { value: expected.dw.value.map((v, i) => v * (kept[i] ?? 0)), size: expected.dw.size };
      expect(worstError(got.dw, dw)).toBeLessThan(2e-6);
      expect((await onThreads(3, s, density)).got).toEqual(got);
    },
  );
});
