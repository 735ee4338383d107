import { Tensor } from '../tensor/tensor.js';
import { record } from './tape.js';

export interface CrossEntropyOptions {
  /** Share of the target spread evenly over all classes, [0, 1). Default 0. */
  readonly labelSmoothing?: number;
}

/** Mean softmax cross-entropy: logits [N, K], labels i32 [N] -> [1]. */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { native } = logits.device;
  const { labelSmoothing = 0 } = options;
  const [lossHandle, probabilitiesHandle] = native.softmaxCrossEntropy(logits.handle, labels.handle, labelSmoothing);
  const probabilities = Tensor.adopt(logits.device, probabilitiesHandle);
  const backward = (dloss: Tensor): Tensor =>
    Tensor.adopt(
      logits.device,
      native.softmaxCrossEntropyBackward(probabilities.handle, labels.handle, dloss.handle, labelSmoothing),
    );
  const loss = Tensor.adopt(logits.device, lossHandle);
  return record(loss, [logits], (dy, sink) => sink.tensor(logits, () => backward(dy)), [probabilities]);
}

/** How many samples have their label among the k largest logits: f32 [1]. Has no derivative. */
export function countCorrect(logits: Tensor, labels: Tensor, k = 1): Tensor {
  return Tensor.adopt(logits.device, logits.device.native.countCorrect(logits.handle, labels.handle, k));
}

/** The k largest of each row, largest first: x [N, K] -> values [N, k], indices i32 [N, k]. Has no derivative. */
export function topK(x: Tensor, k: number): { values: Tensor; indices: Tensor } {
  const [values, indices] = x.device.native.topK(x.handle, k);
  return { values: Tensor.adopt(x.device, values), indices: Tensor.adopt(x.device, indices) };
}
