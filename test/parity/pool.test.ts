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
