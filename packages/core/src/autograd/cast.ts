import type { DTypeName, FloatName } from '@s2sam/native';
import { Tensor } from '../tensor/tensor.js';
import { recordOp } from './tape.js';

/** The values of x in another floating-point type; no op of its own, so derivatives may call it. */
export const converted = (x: Tensor, dtype: DTypeName): Tensor =>
  Tensor.adopt(x.device, x.device.native.cast(x.handle, dtype as FloatName));

/** x in another floating-point type, rounded to nearest even. Its gradient has the type of x. */
export const cast = (x: Tensor, dtype: FloatName): Tensor =>
  recordOp({ kind: 'cast' }, converted(x, dtype), [x], (dy, sink) => sink.tensor(x, () => converted(dy, x.dtype)));
