import { Tensor } from '../tensor/tensor.js';
import { converted } from './cast.js';
import { record } from './tape.js';

export interface CrossEntropyOptions {
  /** Share of the target spread evenly over all classes, [0, 1). Default 0. */
  readonly labelSmoothing?: number;
}

/** The logits in f32, in which losses and rankings are computed whatever the network computes in. */
function withF32<T>(logits: Tensor, use: (logits: Tensor) => T): T {
  if (logits.dtype === 'f32') return use(logits);
  using scores = converted(logits, 'f32');
  return use(scores);
}

/** Mean softmax cross-entropy: logits [N, K], labels i32 [N] -> f32 [1]. */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { native } = logits.device;
  const { labelSmoothing = 0 } = options;
  const [lossHandle, probabilitiesHandle] = withF32(logits, ({ handle }) =>
    native.softmaxCrossEntropy(handle, labels.handle, labelSmoothing),
  );
  const probabilities = Tensor.adopt(logits.device, probabilitiesHandle);
  const backward = (dloss: Tensor): Tensor => {
    const dlogits = Tensor.adopt(
      logits.device,
      native.softmaxCrossEntropyBackward(probabilities.handle, labels.handle, dloss.handle, labelSmoothing),
    );
    if (logits.dtype === 'f32') return dlogits;
    using wide = dlogits;
    return converted(wide, logits.dtype);
  };
  const loss = Tensor.adopt(logits.device, lossHandle);
  return record(loss, [logits], (dy, sink) => sink.tensor(logits, () => backward(dy)), [probabilities]);
}

/** How many samples have their label among the k largest logits: f32 [1]. Has no derivative. */
export function countCorrect(logits: Tensor, labels: Tensor, k = 1): Tensor {
  const { device } = logits;
  return withF32(logits, ({ handle }) => Tensor.adopt(device, device.native.countCorrect(handle, labels.handle, k)));
}

/** The k largest of each row, largest first: x [N, K] -> values f32 [N, k], indices i32 [N, k]. Has no derivative. */
export function topK(x: Tensor, k: number): { values: Tensor; indices: Tensor } {
  const [values, indices] = withF32(x, ({ handle }) => x.device.native.topK(handle, k));
  return { values: Tensor.adopt(x.device, values), indices: Tensor.adopt(x.device, indices) };
}
