import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeviceHandle, type DTypeName, loadCpu } from '../lib/index.js';

const native = loadCpu();
let device: DeviceHandle;
beforeAll(() => {
  device = native.openDevice(0, 2);
});
afterAll(() => native.closeDevice(device));

const plain = (shape: number[], dtype: DTypeName = 'f32') => native.create(device, dtype, shape, false);
const image = (shape: number[]) => native.create(device, 'f32', shape, true);

describe('output shapes', () => {
  // The sizes of ResNet-50, VGG and AlexNet layers as published with their PyTorch definitions.
  it.each([
    { x: [2, 3, 224, 224], w: [64, 3, 7, 7], stride: [2, 2], pad: [3, 3], y: [2, 64, 112, 112] },
    { x: [2, 256, 56, 56], w: [512, 256, 1, 1], stride: [2, 2], pad: [0, 0], y: [2, 512, 28, 28] },
    { x: [1, 3, 224, 224], w: [64, 3, 11, 11], stride: [4, 4], pad: [2, 2], y: [1, 64, 55, 55] },
    { x: [4, 16, 32, 32], w: [16, 16, 3, 3], stride: [1, 1], pad: [1, 1], y: [4, 16, 32, 32] },
    { x: [1, 2, 5, 9], w: [3, 2, 2, 4], stride: [2, 3], pad: [0, 1], y: [1, 3, 2, 3] },
  ])('conv2d of $x by $w is $y', ({ x, w, stride, pad, y }) => {
    const [sh = 1, sw = 1] = stride;
    const [ph = 0, pw = 0] = pad;
    const result = native.conv2d(image(x), plain(w), 0, sh, sw, ph, pw);
    expect(native.shape(result)).toEqual(y);
    expect(native.isActivation(result)).toBe(true);
    const dx = native.conv2dBackwardData(result, plain(w), 0, x[2] ?? 0, x[3] ?? 0, sh, sw, ph, pw, 0);
    expect(native.shape(dx)).toEqual(x);
  });

  it('pools as PyTorch does', () => {
    const [y, argmax] = native.maxPool(image([2, 64, 112, 112]), 3, 3, 2, 2, 1, 1);
    expect(native.shape(y)).toEqual([2, 64, 56, 56]);
    expect(native.shape(native.maxPoolBackward(y, argmax, 112, 112, 3, 3, 2, 2, 1, 1))).toEqual([2, 64, 112, 112]);
    expect(native.shape(native.avgPool(image([2, 8, 7, 5]), 2, 3, 2, 1, 0, 1))).toEqual([2, 8, 3, 5]);
    const pooled = native.globalAvgPool(image([2, 8, 7, 5]));
    expect([native.shape(pooled), native.isActivation(pooled)]).toEqual([[2, 8], false]);
  });

  it('flattens and unflattens, gathers and selects', () => {
    const flat = native.flatten(image([2, 3, 4, 5]));
    expect([native.shape(flat), native.isActivation(flat)]).toEqual([[2, 60], false]);
    const back = native.unflatten(flat, 3, 4, 5);
    expect([native.shape(back), native.isActivation(back)]).toEqual([[2, 3, 4, 5], true]);
    const rows = native.gather(plain([7, 2, 3], 'u8'), plain([4], 'i32'));
    expect([native.shape(rows), native.dtype(rows)]).toEqual([[4, 2, 3], 'u8']);
    const [values, indices] = native.topK(plain([3, 10]), 5);
    expect([values, indices].map((t) => [native.shape(t), native.dtype(t)])).toEqual([
      [[3, 5], 'f32'],
      [[3, 5], 'i32'],
    ]);
  });

  it('gives results the form of their operand', () => {
    for (const x of [image([2, 3, 4, 5]), plain([2, 3, 4, 5])]) {
      for (const y of [native.unary(0, x), native.binary(0, x, x), native.affine(x, 2, 1), native.reluBackward(x, x)]) {
        expect(native.shape(y)).toEqual([2, 3, 4, 5]);
        expect(native.isActivation(y)).toBe(native.isActivation(x));
      }
      expect(native.shape(native.reduce(0, x))).toEqual([1]);
    }
  });
});
