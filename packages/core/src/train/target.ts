import { add, scaleBy } from '../autograd/elementwise.js';
import { type CrossEntropyOptions, countCorrect, crossEntropy } from '../autograd/loss.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { BatchTensors } from './loader.js';

type Target = Pick<BatchTensors, 'labels' | 'mixture'>;

/**
 * Mean cross-entropy of logits [N, K] against the labels of a batch: f32 [1]. Of mixtures lambda * CE(labels) +
 * (1 - lambda) * CE(labels of the partners), which is the cross-entropy against the mixed one-hot labels.
 */
export function lossOf(logits: Tensor, { labels, mixture }: Target, options: CrossEntropyOptions): Tensor {
  const loss = crossEntropy(logits, labels, options);
  if (mixture === undefined) return loss;
  const [own, partner] = mixture.shares;
  return add(scaleBy(loss, own), scaleBy(crossEntropy(logits, mixture.partners, options), partner));
}

/** How many samples are classified right, a mixture by the label of its larger share: f32 [1]. Has no derivative. */
export function correctOf(logits: Tensor, { labels, mixture }: Target): Tensor {
  if (mixture === undefined) return countCorrect(logits, labels);
  const [own, partner] = mixture.dominance;
  return scope(() =>
    add(scaleBy(countCorrect(logits, labels), own), scaleBy(countCorrect(logits, mixture.partners), partner)),
  );
}
