import type { StreamKey } from '../random/key.js';
import { Tensor } from '../tensor/tensor.js';
import { record } from './tape.js';

/**
 * 0 with probability p, else x / (1 - p), element by element of a plain x. What is dropped depends on key, position and `clock` (i32 [1],
 * read when the op runs).
 */
export function dropout(x: Tensor, p: number, { key, clock }: { key: StreamKey; clock: Tensor }): Tensor {
  const drop = (t: Tensor): Tensor =>
    Tensor.adopt(x.device, x.device.native.dropout(t.handle, clock.handle, p, ...key));
  return record(drop(x), [x], (dy, sink) => sink.tensor(x, () => drop(dy)));
}
