import type { Tape } from '../autograd/tape.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Classifier } from './classifier.js';

/** What went into a pass and came out of it: they are disposed already, but `tape` knows them. */
export interface DryPass {
  readonly images: Tensor;
  readonly logits: Tensor;
}

/** Lets `tape` see the ops of a forward pass in evaluation of one image [height, width], which is recorded but not run. */
export function dryPass(model: Classifier, [height, width]: readonly [number, number], tape: Tape): DryPass {
  const { device, training, channels, dtype } = model;
  model.eval();
  try {
    using images = device.zeros([1, channels, height, width], { dtype });
    let logits: Tensor = images;
    const graph = device.capture(() =>
      scope(() => {
        logits = tape.record(() => model.forward(images));
      }),
    );
    graph[Symbol.dispose]();
    return { images, logits };
  } finally {
    model.train(training);
  }
}
