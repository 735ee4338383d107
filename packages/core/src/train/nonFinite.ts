import { ReduceOp } from '@s2sam/native';
import type { Classifier } from '../models/classifier.js';
import { Tensor } from '../tensor/tensor.js';

/** Says which parameter, in the order of the network, is the first with a value or gradient that is not finite. */
export async function nonFiniteParameter(model: Classifier): Promise<string> {
  for (const [name, { storage }] of model.namedParameters()) {
    for (const [what, tensor] of [
      ['weights', storage.value],
      ['gradient', storage.gradient],
    ] as const) {
      const { native } = tensor.device;
      using sum = Tensor.adopt(tensor.device, native.reduce(ReduceOp.sumSquares, tensor.handle));
      if (!Number.isFinite(await sum.item())) return `the first parameter concerned is ${name} (its ${what})`;
    }
  }
  return 'all weights and gradients are finite, so the input or the logits overflow';
}
