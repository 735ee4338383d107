import {
  conv2d,
  createModel,
  crossEntropy,
  type Device,
  evaluate,
  type ImageDataset,
  mul,
  openDevice,
  Parameter,
  s2sam,
  sgd,
  train,
} from '@s2sam/core';
import { erk, staticRandom, uniform } from '@s2sam/masks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { collect, steps } from '../support/collect.js';
import { living } from '../support/living.js';
import { tinyData, tinyNet } from '../support/tiny.js';

const data = tinyData();
const optimizer = sgd({ lr: 0.05, momentum: 0.9 });

let device: Device;
let before: unknown;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
});
afterAll(() => device[Symbol.dispose]());

/** Every case must leave nothing behind and later work unaffected. */
beforeEach(() => {
  before = living(device);
});
afterEach(async () => {
  expect(living(device)).toEqual(before);
  using model = tinyNet(device);
  const events = steps(await collect(train(model, { data, optimizer, steps: 4, batchSize: 20 })));
  expect(events).toHaveLength(4);
  expect(events.every(({ loss }) => Number.isFinite(loss))).toBe(true);
});

const failure = (code: string, ...words: string[]) => {
  const pattern = new RegExp(words.map((word) => word.replace(/[[\](){}.*+?^$|\\]/g, '\\$&')).join('[\\s\\S]*'));
  return expect.objectContaining({ code, message: expect.stringMatching(pattern) });
};

const convolve = (x: readonly number[], w: readonly number[]): void => {
  using images = device.zeros(x);
  using weights = device.zeros(w, { activation: false });
  const { native } = device;
  native.dispose(native.conv2d(images.handle, weights.handle, 0, 1, 1, 0, 0));
};

describe('bad input', () => {
  it('shapes that do not go together', () => {
    expect(() => convolve([2, 3, 8, 8], [4, 5, 3, 3])).toThrow(
      failure('ERR_SHAPE', 'conv2d', '[2, 3, 8, 8]', '[4, 5, 3, 3]'),
    );
    expect(() => convolve([2, 3, 2, 2], [4, 3, 3, 3])).toThrow(failure('ERR_SHAPE', '[4, 3, 3, 3]', '[2, 3, 2, 2]'));
    using a = device.zeros([3]);
    using b = device.zeros([4]);
    expect(() => mul(a, b)).toThrow(failure('ERR_SHAPE', '[3]', '[4]'));
    expect(() => device.tensor([1, 2, 3], [2, 2])).toThrow(failure('ERR_SHAPE', '3 values', '[2,2]', '4'));
    expect(() => a.write(new Float32Array(2))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => a.view(2, [2])).toThrow(expect.objectContaining({ op: 'view' }));
  });

  it('wrong types', () => {
    using logits = device.zeros([2, 3]);
    using labels = device.zeros([2]);
    expect(() => crossEntropy(logits, labels)).toThrow(failure('ERR_DTYPE', 'softmaxCrossEntropy', 'f32'));
    expect(() => logits.write(new Int32Array(6))).toThrow(failure('ERR_DTYPE', 'write'));
  });

  it('labels outside the classes, found while the op runs', async () => {
    using logits = device.zeros([2, 3]);
    using labels = device.tensor(Int32Array.of(0, 7), [2]);
    crossEntropy(logits, labels).dispose();
    await expect(device.synchronize()).rejects.toThrow(failure('ERR_ARGUMENT', '7'));
  });

  it('operands of two devices', async () => {
    using other = await openDevice('cpu', { threads: 1 });
    using a = device.zeros([3]);
    using b = other.zeros([3]);
    expect(() => mul(a, b)).toThrow(failure('ERR_DEVICE', 'mul'));
    expect(() => device.native.binary(0, a.handle, b.handle)).toThrow(failure('ERR_DEVICE', 'binary'));
  });

  it('disposed tensors, models and devices', async () => {
    const tensor = device.zeros([3]);
    tensor.dispose();
    tensor.dispose();
    expect(() => mul(tensor, tensor)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    expect(() => tensor.toArray()).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    const model = tinyNet(device);
    model[Symbol.dispose]();
    using x = device.zeros([1, 3, 8, 8]);
    expect(() => model.forward(x)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    const closed = await openDevice('cpu');
    closed[Symbol.dispose]();
    expect(() => closed.zeros([1])).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
  });

  it('devices that are not there never fall back', async () => {
    await expect(openDevice('cuda')).rejects.toThrow(expect.objectContaining({ code: 'ERR_DEVICE_UNAVAILABLE' }));
    await expect(openDevice('tpu' as 'cpu')).rejects.toThrow(failure('ERR_ARGUMENT', 'tpu', 'auto, cpu'));
    await expect(openDevice('cpu', { threads: -1 })).rejects.toThrow(failure('ERR_ARGUMENT', '-1'));
  });

  it.each([0, -0.1, 1.5, Number.NaN])('density %d', async (density) => {
    expect(() => staticRandom({ density, layout: uniform() })).toThrow(failure('ERR_CONFIG', 'density'));
    expect(() => staticRandom({ density, layout: erk() })).toThrow(failure('ERR_CONFIG', 'density'));
  });

  it('options of optimizers', () => {
    expect(() => sgd({ lr: Number.NaN })).toThrow(failure('ERR_ARGUMENT', 'sgd', 'lr', 'NaN'));
    expect(() => sgd({ lr: 0.1, nesterov: true })).toThrow(failure('ERR_ARGUMENT', 'nesterov', 'momentum'));
    expect(() => s2sam(optimizer, { rho: -1 })).toThrow(failure('ERR_ARGUMENT', 's2sam', 'rho', '-1'));
    expect(() => s2sam(optimizer, { policy: 'both' as 'dense' })).toThrow(failure('ERR_ARGUMENT', 'policy', 'both'));
  });

  it('lengths, batches and models that do not fit the data', () => {
    using model = tinyNet(device);
    expect(() => train(model, { data, optimizer, batchSize: 20 })).toThrow(failure('ERR_ARGUMENT', 'epochs or steps'));
    expect(() => train(model, { data, optimizer, steps: 3, batchSize: 97 })).toThrow(
      failure('ERR_ARGUMENT', '96', '97'),
    );
    expect(() => train(model, { data, optimizer, steps: 0.5, batchSize: 20 })).toThrow(failure('ERR_ARGUMENT', '0.5'));
    const other: ImageDataset = { ...data, classes: 9 };
    expect(() => train(model, { data: other, optimizer, steps: 3, batchSize: 20 })).toThrow(
      failure('ERR_ARGUMENT', '4', '9'),
    );
    expect(() => createModel('resnet33', { device })).toThrow(failure('ERR_ARGUMENT', 'resnet33', 'resnet32'));
  });

  it('a loss that is not finite stops with step, parameter and advice; the device goes on', async () => {
    using model = tinyNet(device);
    const wild = s2sam(sgd({ lr: 1e30 }));
    await expect(collect(train(model, { data, optimizer: wild, steps: 50, batchSize: 20 }))).rejects.toThrow(
      failure('ERR_NON_FINITE', 'step', 'conv1.weight', 'Lower the learning rate'),
    );
  });

  it('an evaluation that is aborted', async () => {
    using model = tinyNet(device);
    const signal = AbortSignal.abort(new Error('enough'));
    const walk = async (): Promise<void> => {
      for await (const _ of evaluate(model, { data, signal }));
    };
    await expect(walk()).rejects.toThrow('enough');
    expect(model.training).toBe(true);
  });

  it('parameters without storage', () => {
    using x = device.zeros([1, 3, 8, 8]);
    const loose = new Parameter([4, 3, 3, 3], 'weight', { kind: 'constant', value: 0 });
    expect(() => conv2d(x, loose, { stride: [1, 1], padding: [1, 1] })).toThrow(/initialize\(model\)/);
  });

  it('an absurd allocation', () => {
    expect(() => device.zeros([1 << 20, 1 << 20])).toThrow(failure('ERR_OUT_OF_MEMORY', '4398046511104'));
  });
});
