import { expect, it } from 'vitest';
import { eachDevice } from '../support/devices.js';
import { type GoldenCase, golden } from '../support/golden.js';
import { Handles } from '../support/handles.js';
import '../support/matchers.js';

type Pair = [number, number];

/** Inputs of a case on the device. Density 1 runs the dense form (no mask), others the masked one. */
function load(handles: Handles, { f32, params }: GoldenCase) {
  const { data: mask, shape } = f32('mask');
  const weights = f32('w').data.map((value, i) => value * (mask[i] as number));
  const geometry = [...(params.stride as Pair), ...(params.padding as Pair)] as [number, number, number, number];
  return {
    x: handles.image(f32('x')),
    dy: handles.image(f32('dy')),
    w: handles.f32(weights, shape),
    mask: params.density === 1 ? 0 : handles.mask(mask, shape),
    kept: mask,
    shape,
    size: f32('x').shape.slice(2) as Pair,
    geometry,
  };
}

/** What an op added to a tensor that held `before` everywhere. */
const added = (values: ArrayLike<number>, before: number): Float32Array =>
  Float32Array.from(values, (value) => value - before);

eachDevice('conv2d', (device) => {
  const { native } = device;

  it.each(golden('conv2d'))('forward $name', async (example) => {
    using handles = new Handles(device);
    const { x, w, mask, geometry } = load(handles, example);
    const y = native.conv2d(x, w, mask, ...geometry);
    expect(native.shape(y)).toEqual(example.output('y').shape);
    expect(await handles.read(y)).toBeCloseToTensor(example.output('y'));
  });

  it.each(golden('conv2d'))('gradient of x $name', async (example) => {
    using handles = new Handles(device);
    const { dy, w, mask, size, geometry } = load(handles, example);
    const fresh = handles.own(native.conv2dBackwardData(dy, w, mask, ...size, ...geometry, 0));
    expect(await native.read(fresh)).toBeCloseToTensor(example.output('dx'));
    const { shape } = example.output('dx');
    const into = handles.image({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(2) });
    expect(native.conv2dBackwardData(dy, w, mask, ...size, ...geometry, into)).toBe(into);
    expect(added(await native.read(into), 2)).toBeCloseToTensor(example.output('dx'));
  });

  it.each(golden('conv2d'))('gradient of w everywhere $name', async (example) => {
    using handles = new Handles(device);
    const { x, dy, mask, shape, geometry } = load(handles, example);
    const dw = handles.filled(shape, 7);
    native.conv2dBackwardWeight(x, dy, dw, mask, ...geometry, true, false);
    expect(await native.read(dw)).toBeCloseToTensor(example.output('dw'));
    native.conv2dBackwardWeight(x, dy, dw, mask, ...geometry, true, true);
    const twice = await native.read(dw);
    expect(twice.map((value) => value / 2)).toBeCloseToTensor(example.output('dw'));
  });

  it.each(golden('conv2d'))('gradient of w at kept weights $name', async (example) => {
    using handles = new Handles(device);
    const { x, dy, mask, kept, shape, geometry } = load(handles, example);
    const dw = handles.filled(shape, 0);
    native.conv2dBackwardWeight(x, dy, dw, mask, ...geometry, false, false);
    expect(await native.read(dw)).toBeCloseToTensor(example.output('dw_kept'));
    native.fill(dw, 3);
    native.conv2dBackwardWeight(x, dy, dw, mask, ...geometry, false, true);
    const sum = await native.read(dw);
    expect(added(sum, 3)).toBeCloseToTensor(example.output('dw_kept'));
    expect(sum.filter((value, i) => kept[i] === 0 && value !== 3)).toHaveLength(0);
  });
});
