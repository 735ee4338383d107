import { topK } from '../autograd/loss.js';
import type { Classifier } from '../models/classifier.js';
import { scope } from '../tensor/scope.js';
import { positiveInteger, type Tensor } from '../tensor/tensor.js';
import { checkClasses } from './checks.js';
import type { EvaluateOptions } from './evaluate.js';
import { Loader } from './loader.js';

/** What a model says of one image. */
export interface Prediction {
  /** Place in the split. */
  readonly index: number;
  readonly label: number;
  /** Class with the largest logit, and that logit. */
  readonly predicted: number;
  readonly logit: number;
}

/**
 * The class of every image of a split, in order, by a model at its plain weights and running statistics. Throws ArgumentError where the
 * classes do not fit; rejects with the signal's reason.
 */
export async function* predict(
  model: Classifier,
  { data, split = 'test', batchSize = 256, signal }: EvaluateOptions,
): AsyncGenerator<Prediction> {
  positiveInteger('predict', 'batchSize', batchSize);
  checkClasses('predict', model, data);
  const { size, labels } = data[split];
  const { training } = model;
  using loader = new Loader(model.device, data, data[split], { batchSize: Math.min(batchSize, size) });
  try {
    model.eval();
    for (let begin = 0; begin < size; begin += batchSize) {
      signal?.throwIfAborted();
      const indices = Int32Array.from({ length: Math.min(batchSize, size - begin) }, (_, i) => begin + i);
      const load = await loader.pick(indices, 0, false);
      const [logits, classes] = await scope(() => largest(model, load(model.dtype).x));
      for (const [i, index] of indices.entries()) {
        const [predicted, logit] = [classes[i] as number, logits[i] as number];
        yield { index, label: labels[index] as number, predicted, logit };
      }
    }
  } finally {
    model.train(training);
  }
}

async function largest(model: Classifier, x: Tensor): Promise<[ArrayLike<number>, ArrayLike<number>]> {
  const { values, indices } = topK(model.forward(x), 1);
  return [await values.toArray(), await indices.toArray()] as [ArrayLike<number>, ArrayLike<number>];
}
