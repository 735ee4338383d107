import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { functionNames } from '../lib/functions.js';
import { type DeviceHandle, loadCpu, type NativeBinding, S2Error } from '../lib/index.js';

const native = loadCpu();
let device: DeviceHandle;
beforeAll(() => {
  device = native.openDevice(0, 2);
});
afterAll(() => native.closeDevice(device));

const plain = (shape: number[], dtype: 'f32' | 'i32' | 'u32' | 'u8' = 'f32') =>
  native.create(device, dtype, shape, false);
const image = (shape: number[]) => native.create(device, 'f32', shape, true);

/** Runs `call`, which must throw an S2Error, and gives it back. */
function failure(call: () => unknown): S2Error {
  try {
    call();
  } catch (error) {
    if (error instanceof S2Error) return error;
    throw error;
  }
  throw new Error('the call did not throw');
}

describe('the surface', () => {
  it('has exactly the functions of NativeBinding', () => {
    expect(Object.keys(native).sort()).toEqual([...functionNames].sort());
  });

  it('describes the backend', () => {
    const info = native.info();
    expect(info).toMatchObject({ backend: 'cpu', devices: [{ cores: expect.any(Number) }] });
    expect(info.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(info.compiledIsas).toContain(info.devices[0]?.isa);
    expect(info.devices[0]?.memoryBytes).toBeGreaterThan(2 ** 26);
    expect(native.deviceInfo(device)).toMatchObject({ kind: 'cpu', threads: 2 });
  });
});

describe('wrong values', () => {
  const garbage = [
    undefined,
    null,
    'x',
    {},
    [],
    Symbol('s'),
    1n,
    () => 1,
    true,
    Number.NaN,
    -1,
    0.5,
    2 ** 60,
    Infinity,
  ];
  /** `info` takes nothing, `useLibraries` any object of texts: see below. */
  const lenient = new Set(['info', 'useLibraries']);

  it.each(functionNames.filter((name) => !lenient.has(name)))('%s refuses garbage with a typed error', (name) => {
    const call = native[name] as (...args: unknown[]) => unknown;
    for (const value of garbage) {
      const error = failure(() => call(...Array(14).fill(value)));
      expect(error.op).toBe(name);
      expect(error.message.startsWith(`${name}: `)).toBe(true);
      expect(['ERR_ARGUMENT', 'ERR_DISPOSED', 'ERR_DTYPE', 'ERR_SHAPE']).toContain(error.code);
    }
  });

  it('useLibraries refuses what is no object of paths', () => {
    const call = native.useLibraries as (paths?: unknown) => void;
    for (const value of [undefined, null, 'x', 1, { cudnn: 1 }]) {
      expect(failure(() => call(value))).toMatchObject({ op: 'useLibraries', code: 'ERR_ARGUMENT' });
    }
    expect(() => call({})).not.toThrow();
  });

  /** A call that works, so that one argument at a time can be made wrong. */
  const calls: [keyof NativeBinding, () => unknown[]][] = [
    ['create', () => [device, 'f32', [2, 3], false]],
    ['view', () => [plain([6]), 2, [2, 2]]],
    ['cast', () => [plain([6]), 'f32']],
    ['updateLossScale', () => [plain([8]), 2000]],
    ['fill', () => [plain([6], 'u8'), 2]],
    ['write', () => [plain([2]), new Float32Array(2)]],
    ['gather', () => [plain([4, 2]), plain([3], 'i32')]],
    ['unflatten', () => [plain([2, 12]), 3, 2, 2]],
    ['conv2d', () => [image([1, 2, 4, 4]), plain([3, 2, 3, 3]), 0, 1, 1, 1, 1]],
    ['conv2dBackwardData', () => [image([1, 3, 4, 4]), plain([3, 2, 3, 3]), 0, 4, 4, 1, 1, 1, 1, 0]],
    [
      'conv2dBackwardWeight',
      () => [image([1, 2, 4, 4]), image([1, 3, 4, 4]), plain([3, 2, 3, 3]), 0, 1, 1, 1, 1, true, false],
    ],
    ['linear', () => [plain([2, 3]), plain([4, 3]), 0, 0]],
    ['batchNormTrain', () => [image([2, 2, 3, 3]), plain([2]), plain([2]), 0, 0, 0, 1e-5, 0.1, true]],
    ['maxPool', () => [image([2, 2, 4, 4]), 2, 2, 2, 2, 0, 0]],
    ['avgPoolBackward', () => [image([2, 2, 2, 2]), 4, 4, 2, 2, 2, 2, 0, 0]],
    ['softmaxCrossEntropy', () => [plain([2, 3]), plain([2], 'i32'), 0.1]],
    ['topK', () => [plain([2, 3]), 2]],
    [
      'augment',
      () => [
        plain([5, 3, 4, 4], 'u8'),
        plain([2], 'i32'),
        plain([1], 'i32'),
        plain([3]),
        plain([3]),
        1,
        true,
        1,
        2,
        'f32',
        plain([5]),
      ],
    ],
    ['affine', () => [plain([2]), 2, 1]],
    ['randomNormal', () => [plain([2]), 1, 2, 0, 1]],
    ['dropout', () => [plain([6]), plain([1], 'i32'), 0.5, 1, 2]],
    [
      'optimizerStep',
      () => {
        const [master, momentum, gradient, working] = [plain([128]), plain([128]), plain([128]), plain([128])];
        const tables = [plain([4], 'u32'), plain([1, 2], 'i32'), plain([1]), plain([8]), plain([8])];
        return [master, momentum, gradient, working, 0, ...tables, true, true, true];
      },
    ],
  ];

  it.each(calls)('%s works, and names the argument that is wrong', (name, make) => {
    const call = native[name] as (...args: unknown[]) => unknown;
    const right = make();
    expect(() => call(...right)).not.toThrow();
    for (let i = 0; i < right.length; ++i) {
      for (const wrong of [undefined, 'x', {}, Number.NaN]) {
        const error = failure(() => call(...right.map((value, j) => (i === j ? wrong : value))));
        expect(error.op).toBe(name);
      }
    }
  });
});
