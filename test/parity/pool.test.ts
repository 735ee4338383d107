import { expect, it } from 'vitest';
import { keyOf, normal } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { type GoldenCase, golden } from '../support/golden.js';
import { Handles } from '../support/handles.js';
import '../support/matchers.js';

type Pair = [number, number];
type Window = [...Pair, ...Pair, ...Pair];

const windowOf = ({ params }: GoldenCase): Window => [...params.kernel, ...params.stride, ...params.padding] as Window;
const sizeOf = ({ shape }: { shape: readonly number[] }): Pair => shape.slice(2) as Pair;

/** One channel of one image, pooled one tap after another; and for each window the pixel it chose. */
function maxPooled(x: Float32Array, [h, w]: Pair, [kH, kW, sH, sW, pH, pW]: Window) {
  const y: number[] = [];
  const chosen: number[] = [];
  for (let top = -pH; top + kH <= h + pH; top += sH) {
    for (let left = -pW; left + kW <= w + pW; left += sW) {
      let best = -1;
      for (let row = Math.max(top, 0); row < Math.min(top + kH, h); row++) {
        for (let column = Math.max(left, 0); column < Math.min(left + kW, w); column++) {
          const at = row * w + column;
          const value = x[at] as number;
          if (best < 0 || value > (x[best] as number) || Number.isNaN(value)) best = at;
        }
      }
      y.push(x[best] as number);
      chosen.push(best);
    }
  }
  return { y: Float32Array.from(y), chosen };
}

const eightfold = (x: Float32Array): Float32Array =>
  Float32Array.from({ length: 8 * x.length }, (_, i) => x[i % x.length] as number);

eachDevice('pooling', (device) => {
  const { native } = device;

  it.each(golden('max_pool'))('max pool $name', async (example) => {
    using handles = new Handles(device);
    const [y, argmax] = native.maxPool(handles.image(example.f32('x')), ...windowOf(example));
    handles.own(argmax);
    expect(await handles.read(y)).toBeCloseToTensor(example.output('y'));
    const dy = handles.image(example.f32('dy'));
    const dx = native.maxPoolBackward(dy, argmax, ...sizeOf(example.output('dx')), ...windowOf(example));
    expect(await handles.read(dx)).toBeCloseToTensor(example.output('dx'));
  });

  const windows: Window[] = [
    [3, 3, 2, 2, 1, 1],
    [3, 3, 1, 2, 1, 0],
    [2, 2, 2, 2, 0, 0],
  ];
  it.each(windows)('max pool %i x %i in steps of %i, %i takes NaN and the first among equals', async (...window) => {
    using handles = new Handles(device);
    for (const [h, w] of [
      [6, 9],
      [7, 4],
      [2, 3],
      [9, 3],
    ] satisfies Pair[]) {
      const draws = normal(keyOf(h, 'pool/equals'), h * w, 0, 1);
      const plane = draws.map((d) => (d > 1.4 ? Number.NaN : d < -0.4 ? Number.NEGATIVE_INFINITY : Math.round(d)));
      const { y: wanted, chosen } = maxPooled(plane, [h, w], window);
      const gradient = normal(keyOf(w, 'pool/gradient'), chosen.length, 0, 1);
      const sums = new Float32Array(h * w);
      chosen.forEach((pixel, i) => {
        sums[pixel] = (sums[pixel] as number) + (gradient[i] as number);
      });
      const [y, argmax] = native.maxPool(handles.image({ shape: [1, 8, h, w], data: eightfold(plane) }), ...window);
      const dy = handles.image({ shape: native.shape(y), data: eightfold(gradient) });
      const dx = native.maxPoolBackward(dy, handles.own(argmax), h, w, ...window);
      expect(await handles.read(y)).toEqual(eightfold(wanted));
      expect(await handles.read(dx)).toEqual(eightfold(sums));
    }
  });

  // Eight channels are read at once where they can be; a view may begin anywhere.
  it.each([1, 4, 8, 16])('max pool goes back through indices that begin at byte %i', async (offset) => {
    using handles = new Handles(device);
    const shape = [2, 8, 5, 6];
    const window: Window = [3, 3, 2, 2, 1, 1];
    const data = normal(keyOf(7, 'pool/view'), 2 * 8 * 5 * 6, 0, 1);
    const [y, argmax] = native.maxPool(handles.image({ shape, data }), ...window);
    const taps = await handles.read(argmax);
    const moved = new Uint8Array(offset + taps.length);
    moved.set(taps, offset);
    const whole = handles.tensor({ shape: [moved.length], data: moved });
    const view = handles.own(native.view(whole, offset, native.shape(argmax)));
    const wanted = native.maxPoolBackward(handles.own(y), argmax, 5, 6, ...window);
    const got = native.maxPoolBackward(y, view, 5, 6, ...window);
    expect(await handles.read(got)).toEqual(await handles.read(wanted));
  });

  it.each(golden('avg_pool'))('average pool $name', async (example) => {
    using handles = new Handles(device);
    const y = native.avgPool(handles.image(example.f32('x')), ...windowOf(example));
    expect(await handles.read(y)).toBeCloseToTensor(example.output('y'));
    const dy = handles.image(example.f32('dy'));
    const dx = native.avgPoolBackward(dy, ...sizeOf(example.output('dx')), ...windowOf(example));
    expect(await handles.read(dx)).toBeCloseToTensor(example.output('dx'));
  });

  it.each(golden('global_avg_pool'))('global average pool $name', async (example) => {
    using handles = new Handles(device);
    const y = native.globalAvgPool(handles.image(example.f32('x')));
    expect(native.shape(y)).toEqual(example.output('y').shape);
    expect(await handles.read(y)).toBeCloseToTensor(example.output('y'));
    const dy = handles.tensor(example.f32('dy'));
    const dx = native.globalAvgPoolBackward(dy, ...sizeOf(example.output('dx')));
    expect(await handles.read(dx)).toBeCloseToTensor(example.output('dx'));
  });
});
