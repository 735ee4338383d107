import { expect, it } from 'vitest';
import { eachDevice } from '../support/devices.js';
import { type GoldenCase, golden } from '../support/golden.js';
import { Handles } from '../support/handles.js';
import '../support/matchers.js';

function load(handles: Handles, { f32, params }: GoldenCase) {
  const { data: kept, shape } = f32('mask');
  const weights = f32('w').data.map((value, i) => value * (kept[i] as number));
  return {
    x: handles.tensor(f32('x')),
    dy: handles.tensor(f32('dy')),
    w: handles.f32(weights, shape),
    bias: handles.tensor(f32('bias')),
    mask: params.density === 1 ? 0 : handles.mask(kept, shape),
    shape,
  };
}

eachDevice('linear', (device) => {
  const { native } = device;

  it.each(golden('linear'))('forward $name', async (example) => {
    using handles = new Handles(device);
    const { x, w, mask, bias } = load(handles, example);
    expect(await handles.read(native.linear(x, w, mask, bias))).toBeCloseToTensor(example.output('y'));
    expect(await handles.read(native.linear(x, w, mask, 0))).toBeCloseToTensor(example.output('y_without_bias'));
  });

  it.each(golden('linear'))('gradient of x $name', async (example) => {
    using handles = new Handles(device);
    const { dy, w, mask } = load(handles, example);
    const dx = handles.own(native.linearBackwardData(dy, w, mask, 0));
    expect(await native.read(dx)).toBeCloseToTensor(example.output('dx'));
    expect(native.linearBackwardData(dy, w, mask, dx)).toBe(dx);
    expect((await native.read(dx)).map((value) => value / 2)).toBeCloseToTensor(example.output('dx'));
  });

  it.each(golden('linear'))('gradients of w and bias $name', async (example) => {
    using handles = new Handles(device);
    const { x, dy, mask, bias, shape } = load(handles, example);
    const dw = handles.filled(shape, 0);
    native.linearBackwardWeight(x, dy, dw, mask, false, false);
    expect(await native.read(dw)).toBeCloseToTensor(example.output('dw_kept'));
    native.linearBackwardWeight(x, dy, dw, mask, true, false);
    expect(await native.read(dw)).toBeCloseToTensor(example.output('dw'));
    native.linearBackwardWeight(x, dy, dw, mask, true, true);
    expect((await native.read(dw)).map((value) => value / 2)).toBeCloseToTensor(example.output('dw'));
    native.linearBackwardBias(dy, bias, false);
    native.linearBackwardBias(dy, bias, true);
    expect((await native.read(bias)).map((value) => value / 2)).toBeCloseToTensor(example.output('db'));
  });
});
