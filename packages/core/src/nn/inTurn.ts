import { recording } from '../autograd/tape.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * Applies layers one after another. Where no tape records, nothing is needed for a backward pass, so each intermediate result is freed
 * as soon as the next one is enqueued; the input stays the caller's.
 */
export function inTurn(input: Tensor, layers: Iterable<(x: Tensor) => Tensor>): Tensor {
  let x = input;
  for (const layer of layers) {
    const previous = x;
    x = recording() ? layer(previous) : scope(() => layer(previous));
    if (!recording() && previous !== input && previous !== x) previous.dispose();
  }
  return x;
}
