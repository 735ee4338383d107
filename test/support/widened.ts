import { Device } from '@s2sam/core';
import type { DTypeName, NativeBinding, TensorHandle } from '@s2sam/native';

type Half = 'f16' | 'bf16';
const isHalf = (dtype: unknown): dtype is Half => dtype === 'f16' || dtype === 'bf16';

/** Which argument gives the type of the result, where it is not the first. */
const typeFrom: Partial<Record<keyof NativeBinding, number>> = { binary: 1, unary: 1, expand: 2 };
/** Ops whose images, matrices and gradients must be of one type: their positions. */
const alike: Partial<Record<keyof NativeBinding, readonly number[]>> = {
  addInto: [0, 2],
  binary: [1, 2],
  reluBackward: [0, 1],
  conv2dBackwardWeight: [0, 1],
  linearBackwardWeight: [0, 1],
  batchNormBackward: [0, 1, 2],
};
/** Ops that take f32 alone: the position of that argument. */
const wideOnly: Partial<Record<keyof NativeBinding, readonly number[]>> = {
  softmaxCrossEntropy: [0],
  softmaxCrossEntropyBackward: [0, 2],
  countCorrect: [0],
  topK: [0],
  gradientNorm: [0],
  conv2dBackwardWeight: [2],
  linearBackwardWeight: [2],
  linearBackwardBias: [1],
  batchNormTrain: [1, 2],
  batchNormEval: [1, 2],
  batchNormBackward: [4],
};
/** Weights are f32 or of the type of the images. */
const weighted = new Set<keyof NativeBinding>(['conv2d', 'conv2dBackwardData', 'linear', 'linearBackwardData']);

/**
 * The CPU under the name of a device with 16-bit types: it keeps them in f32 and remembers what they claim to be. So a training in 16
 * bit must give what f32 gives, bit for bit, if every tensor has the type it should; operands of wrong types throw.
 */
export function widenedDevice(native: NativeBinding): Device {
  const claims = new Map<TensorHandle, Half>();
  const claim = (handle: TensorHandle, dtype: unknown): TensorHandle => {
    if (isHalf(dtype) && handle !== 0) claims.set(handle, dtype);
    return handle;
  };
  const claimOf = (handle: unknown): Half | undefined => claims.get(handle as number);

  const check = (op: keyof NativeBinding, args: readonly unknown[]): void => {
    const types = (positions: readonly number[] = []) => positions.map((i) => claimOf(args[i]) ?? 'f32');
    if (new Set(types(alike[op])).size > 1) throw new Error(`${op}: operands of types ${types(alike[op])}`);
    if (types(wideOnly[op]).some(isHalf)) throw new Error(`${op}: must be f32, but is ${types(wideOnly[op])}`);
    const [x, w] = types([0, 1]);
    if (weighted.has(op) && w !== 'f32' && w !== x) throw new Error(`${op}: images of ${x} and weights of ${w}`);
  };

  const special: Partial<Record<keyof NativeBinding, (...args: never[]) => unknown>> = {
    stores: () => true,
    dtype: (t: TensorHandle): DTypeName => claimOf(t) ?? native.dtype(t),
    create: (device: number, dtype: DTypeName, shape: number[], activation: boolean) =>
      claim(native.create(device, isHalf(dtype) ? 'f32' : dtype, shape, activation), dtype),
    cast: (x: TensorHandle, dtype: DTypeName) => claim(native.cast(x, 'f32'), dtype),
    augment: (...args: Parameters<NativeBinding['augment']>) =>
      claim(native.augment(...(args.with(9, 'f32') as typeof args)), args[9]),
    reduce: (op: number, x: TensorHandle) => native.reduce(op, x),
    dispose: (t: TensorHandle) => {
      claims.delete(t);
      native.dispose(t);
    },
    optimizerStep: (...args: Parameters<NativeBinding['optimizerStep']>) => {
      native.optimizerStep(...(args.with(4, 0) as typeof args));
      if (args[4] !== 0) native.copy(args[3], args[4]);
    },
    perturb: (...args: Parameters<NativeBinding['perturb']>) => {
      native.perturb(...(args.with(3, 0) as typeof args));
      if (args[3] !== 0) native.copy(args[2], args[3]);
    },
  };

  /** Of several results only the first, or for batch norm's gradients both, are images. */
  const claimResult = (op: keyof NativeBinding, result: unknown, dtype: Half | undefined): unknown => {
    if (typeof result === 'number') return claim(result, dtype);
    if (!Array.isArray(result) || op === 'shape') return result;
    const images = op === 'batchNormBackward' ? 2 : 1;
    for (const handle of result.slice(0, images)) claim(handle as number, dtype);
    return result;
  };

  const widened = new Proxy(native, {
    get: (_, name) => {
      const op = name as keyof NativeBinding;
      const call = (special[op] ?? native[op]) as (...args: unknown[]) => unknown;
      return (...args: unknown[]): unknown => {
        check(op, args);
        const result = call(...args);
        return op in special ? result : claimResult(op, result, claimOf(args[typeFrom[op] ?? 0]));
      };
    },
  });
  return new Device(widened, native.openDevice(0, 2));
}
