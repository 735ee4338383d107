import { BinaryOp, ReduceOp, UnaryOp } from '@s2sam/native';
import { expect, it } from 'vitest';
import { eachDevice } from '../support/devices.js';
import { golden } from '../support/golden.js';
import { Handles } from '../support/handles.js';
import '../support/matchers.js';

const casesOf = (kind: string) => golden('elementwise').filter(({ params }) => params.kind === kind);

eachDevice('element-wise ops and reductions', (device) => {
  const { native } = device;

  it.each(casesOf('unary'))('$name', async (example) => {
    using handles = new Handles(device);
    const y = native.unary(UnaryOp[example.params.op as keyof typeof UnaryOp], handles.either(example.f32('x')));
    expect(await handles.read(y)).toBeCloseToTensor(example.output('y'));
  });

  it.each(casesOf('binary'))('$name', async (example) => {
    using handles = new Handles(device);
    const [a, b] = [handles.either(example.f32('a')), handles.either(example.f32('b'))];
    const y = native.binary(BinaryOp[example.params.op as keyof typeof BinaryOp], a, b);
    expect(await handles.read(y)).toBeCloseToTensor(example.output('y'));
  });

  it.each(casesOf('relu_backward'))('$name', async (example) => {
    using handles = new Handles(device);
    const y = handles.own(native.unary(UnaryOp.relu, handles.either(example.f32('x'))));
    const dx = native.reluBackward(handles.either(example.f32('dy')), y);
    expect(await handles.read(dx)).toBeCloseToTensor(example.output('dx'));
  });

  it.each(casesOf('affine'))('affine, add into and scale $name', async (example) => {
    using handles = new Handles(device);
    const { scale, shift } = example.params;
    const [x, y] = [handles.either(example.f32('x')), handles.either(example.f32('y'))];
    expect(await handles.read(native.affine(x, scale, shift))).toBeCloseToTensor(example.output('affine'));
    const scaled = handles.own(native.scaleBy(x, handles.f32([scale])));
    expect(await handles.read(native.affine(scaled, 1, shift))).toBeCloseToTensor(example.output('affine'));
    native.addInto(x, scale, y);
    expect(await native.read(y)).toBeCloseToTensor(example.output('added'));
    const spread = await handles.read(native.expand(handles.f32([scale]), -2, x));
    expect(new Set(spread)).toEqual(new Set([-2 * scale]));
    expect(spread).toHaveLength(example.f32('x').data.length);
  });

  it.each(golden('reductions'))('reductions $name', async (example) => {
    using handles = new Handles(device);
    const { shape, data } = example.f32('x');
    const x = handles.either({ shape, data: data.map((value) => (Math.abs(value) < 0.3 ? 0 : value)) });
    for (const [op, code] of Object.entries(ReduceOp)) {
      expect(await handles.read(native.reduce(code, x))).toBeCloseToTensor(example.output(op));
    }
  });
});
