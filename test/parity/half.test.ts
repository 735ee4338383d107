import type { Device } from '@s2sam/core';
import {
  BinaryOp,
  type FloatName,
  type HostArray,
  type NativeBinding,
  ReduceOp,
  type TensorHandle,
  UnaryOp,
} from '@s2sam/native';
import { describe, expect, it } from 'vitest';
import { keyOf, normal } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { type HalfName, roundTo, spacing } from '../support/half.js';
import { Handles } from '../support/handles.js';

/** What an op is given: the same numbers in 16 bit and in f32. */
interface Inputs {
  readonly native: NativeBinding;
  /** Images of this shape, other numbers for another name. */
  image(name: string, shape?: readonly number[]): TensorHandle;
  plain(name: string, shape: readonly number[]): TensorHandle;
  /** Always f32. */
  f32(values: ArrayLike<number>): TensorHandle;
  i32(values: readonly number[]): TensorHandle;
  readonly shape: readonly [number, number, number, number];
  /** Frees it too. */
  own(tensor: TensorHandle): TensorHandle;
}

type Op = (inputs: Inputs) => TensorHandle[];

/** Kernel, stride, padding of both axes, and the pooled extents. */
const window = [3, 2, 2, 2, 1, 1] as const;
const pooled = ([n, c, h, w]: Inputs['shape']) => [n, c, Math.floor((h - 1) / 2) + 1, Math.floor(w / 2) + 1];

const statistics = ({ f32, shape }: Inputs) =>
  [0.3, -0.2, 0.1, 1.4].map((value) => f32(Array.from({ length: shape[1] }, (_, c) => value + 0.01 * c))) as [
    TensorHandle,
    TensorHandle,
    TensorHandle,
    TensorHandle,
  ];

function batchNorm(inputs: Inputs, training: boolean, residual: boolean, relu: boolean): TensorHandle[] {
  const { native, image, own } = inputs;
  const [gamma, beta, mean, variance] = statistics(inputs);
  const x = image('x');
  const added = residual ? image('residual') : 0;
  const outputs = training
    ? native.batchNormTrain(x, gamma, beta, added, mean, variance, 1e-5, 0.1, relu)
    : native.batchNormEval(x, gamma, beta, added, mean, variance, 1e-5, relu);
  const [y, savedMean, savedInvStd, passed] = outputs.map(own) as [number, number, number, number];
  const [dgamma, dbeta] = [
    inputs.f32(new Float32Array(inputs.shape[1])),
    inputs.f32(new Float32Array(inputs.shape[1])),
  ];
  const gradients = native.batchNormBackward(
    image('dy'),
    x,
    y,
    passed,
    gamma,
    savedMean,
    savedInvStd,
    dgamma,
    dbeta,
    relu,
    training,
    false,
    residual,
  );
  const all = [y, savedMean, savedInvStd, mean, variance, own(gradients[0]), own(gradients[1]), dgamma, dbeta];
  return all.filter((handle) => handle !== 0);
}

const ops: Record<string, Op> = {
  ...Object.fromEntries(
    Object.entries(BinaryOp).map(([name, code]): [string, Op] => [
      name,
      ({ native, image }) => [native.binary(code, image('a'), image('b'))],
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(UnaryOp).map(([name, code]): [string, Op] => [
      name,
      ({ native, image, own }) => [native.unary(code, own(native.unary(UnaryOp.abs, image('x'))))],
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(ReduceOp).map(([name, code]): [string, Op] => [
      `reduction ${name}`,
      ({ native, image }) => [native.reduce(code, image('x'))],
    ]),
  ),
  affine: ({ native, image }) => [native.affine(image('x'), 1.7, -0.3)],
  'add into': ({ native, image }) => {
    const y = image('y');
    native.addInto(image('x'), -0.4, y);
    return [y];
  },
  'relu backward': ({ native, image }) => [native.reluBackward(image('dy'), image('y'))],
  'scale by': ({ native, image, f32 }) => [native.scaleBy(image('x'), f32([0.7]))],
  expand: ({ native, image, f32 }) => [native.expand(f32([0.7]), 1 / 3, image('x'))],
  fill: ({ native, image }) => {
    const y = image('y');
    native.fill(y, 1 / 3);
    return [y];
  },
  'on a view': ({ native, plain, own, shape: [n, c] }) => {
    const long = plain('x', [n * c + 3]);
    return [native.affine(own(native.view(long, 3, [n * c])), 1.5, 0.1), own(native.view(long, 1, [n * c]))];
  },
  gather: ({ native, plain, i32, shape: [n, c] }) => [native.gather(plain('x', [n, c]), i32([n - 1, 0, 0]))],
  'flatten and unflatten': ({ native, image, own, shape: [, c, h, w] }) => {
    const flat = own(native.flatten(image('x')));
    return [flat, native.unflatten(flat, c, h, w)];
  },
  'max pooling': ({ native, image, own, shape }) => {
    const [y, argmax] = native.maxPool(image('x'), ...window);
    return [y, native.maxPoolBackward(image('dy', pooled(shape)), own(argmax), shape[2], shape[3], ...window)];
  },
  'average pooling': ({ native, image, shape }) => [
    native.avgPool(image('x'), ...window),
    native.avgPoolBackward(image('dy', pooled(shape)), shape[2], shape[3], ...window),
  ],
  'global average pooling': ({ native, image, plain, shape: [n, c, h, w] }) => [
    native.globalAvgPool(image('x')),
    native.globalAvgPoolBackward(plain('dy', [n, c]), h, w),
  ],
  'batch norm': (inputs) => batchNorm(inputs, true, false, false),
  'batch norm, ReLU': (inputs) => batchNorm(inputs, true, false, true),
  'batch norm, residual, ReLU': (inputs) => batchNorm(inputs, true, true, true),
  'batch norm in evaluation': (inputs) => batchNorm(inputs, false, true, true),
};

/** Channels by eight and not, one pixel, one channel. */
const shapes: Inputs['shape'][] = [
  [2, 3, 5, 7],
  [3, 16, 9, 8],
  [5, 8, 4, 4],
  [2, 1, 3, 2],
];

const numbers = (dtype: HalfName, name: string, count: number): Float32Array =>
  normal(keyOf(7, `half/${name}`), count, 0, 1).map((value) => roundTo(dtype, value));

/** Gives the op numbers that `dtype` holds, in that type or in f32, and reads what it makes of them. */
async function results(device: Device, op: Op, shape: Inputs['shape'], dtype: HalfName, computed: FloatName) {
  using handles = new Handles(device);
  const { native } = device;
  const made = (name: string, extents: readonly number[], activation: boolean) => {
    const data = numbers(
      dtype,
      name,
      extents.reduce((product, extent) => product * extent, 1),
    );
    return handles.own(native.cast(handles.tensor({ shape: extents, data }, activation), computed));
  };
  const outputs = op({
    native,
    image: (name, extents = shape) => made(name, extents, true),
    plain: (name, extents) => made(name, extents, false),
    f32: (values) => handles.f32(values),
    i32: (values) => handles.tensor({ shape: [values.length], data: Int32Array.from(values) }),
    shape,
    own: (tensor) => handles.own(tensor),
  });
  const dtypes = outputs.map((output) => native.dtype(output));
  return { dtypes, values: await Promise.all(outputs.map((output) => handles.read(output))) };
}

eachDevice('16-bit types', (device) => {
  const { native } = device;
  if (!native.stores('f16') || !native.stores('bf16')) return it.skip('skipped: this device stores no 16-bit types');
  describe.each(['f16', 'bf16'] as const)('%s', (dtype) => {
    it('are rounded to nearest, ties to even', async () => {
      using handles = new Handles(device);
      const random = normal(keyOf(1, 'half/rounding'), 4000, 0, 1).map((value, i) => value * 2 ** ((i % 60) - 30));
      const ties = Array.from({ length: 40 }, (_, i) => (1 + (i + 0.5) * spacing(dtype, 1)) * (i % 2 === 0 ? 1 : -1));
      const special = [0, -0, NaN, Infinity, -Infinity, 65504, 65519, 65520, -70000, 6e-8, 2e-8, 3.3e38, 3.4e38, 1e-40];
      const data = Float32Array.from([...random, ...ties, ...special]);
      const tensor = handles.own(native.create(device.handle, dtype, [data.length], false));
      native.write(tensor, data);
      const wanted = data.map((value) => roundTo(dtype, value));
      expect(await native.read(tensor)).toEqual(wanted);
      expect(await handles.read(native.cast(handles.f32(data), dtype))).toEqual(wanted);
      expect(await handles.read(native.cast(tensor, 'f32'))).toEqual(wanted);
    });

    describe.each(shapes)('[%i, %i, %i, %i]', (...shape) => {
      it.each(Object.entries(ops))('%s is the f32 result, rounded once', async (_, op) => {
        const half = await results(device, op, shape, dtype, dtype);
        const full = await results(device, op, shape, dtype, 'f32');
        full.values.forEach((wanted, k) => {
          const rounded = half.dtypes[k] === dtype;
          const largest = Array.from(wanted).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          const got = half.values[k] as HostArray;
          expect(got).toHaveLength(wanted.length);
          wanted.forEach((value, i) => {
            const allowed = 1e-5 * largest + (rounded ? 0.5 * spacing(dtype, value) : 0);
            expect(
              Math.abs((got[i] as number) - value),
              `output ${k}, element ${i}: ${got[i]}, ${value}`,
            ).toBeLessThanOrEqual(allowed);
          });
        });
      });
    });
  });
});
