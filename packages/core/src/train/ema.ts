import { copyOf } from '../autograd/tape.js';
import type { Classifier } from '../models/classifier.js';
import { unscoped } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';

export interface EmaOptions {
  /** Share of the average that a step keeps, in (0, 1): 0.9999 averages over about 10,000 steps. */
  readonly decay: number;
  /** Keep less in the first steps, (1 + t) / (10 + t) after t of them, so that the average soon leaves the initial weights. Default true. */
  readonly warmup?: boolean;
}

/** An array of the model, and its average. */
interface Pair {
  readonly source: Tensor;
  readonly mean: Tensor;
}

/**
 * The exponential moving average of weights and running statistics: mean = decay * mean + (1 - decay) * value after each step
 * (Polyak & Juditsky 1992; as timm's `ModelEmaV3` and TensorFlow's `ExponentialMovingAverage` take it). It has the masks of the
 * weights: where a weight is dropped, its average is 0 too.
 */
export class Ema implements Disposable {
  /** By the names of parameters and buffers. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly #model: Classifier;
  readonly #options: Required<EmaOptions>;
  readonly #pairs: readonly Pair[];
  /** 1 - decay of the step that runs, on the device, so that `update` can be recorded. */
  readonly #weight: Tensor;

  constructor(model: Classifier, { decay, warmup = true }: EmaOptions) {
    this.#model = model;
    this.#options = { decay, warmup };
    const { arena, flatBuffers } = model;
    const average = (source: Tensor): Pair => ({ source, mean: copyOf(source) });
    const [weights, statistics, weight] = unscoped(
      () => [average(arena.master), average(flatBuffers), model.device.zeros([1])] as const,
    );
    this.#pairs = [weights, statistics];
    this.#weight = weight;
    this.tensors = unscoped(() => new Map([...arena.windows(weights.mean), ...model.bufferWindows(statistics.mean)]));
  }

  /** Starts from the weights as they are. */
  reset(): void {
    for (const { source, mean } of this.#pairs) mean.copyFrom(source);
  }

  /** To be called before the step after `done` steps. */
  prepare(done: number): void {
    const { decay, warmup } = this.#options;
    this.#weight.write([1 - (warmup ? Math.min(decay, (1 + done) / (10 + done)) : decay)]);
  }

  /** Takes the weights in; may be recorded. */
  update(): void {
    const { native } = this.#model.device;
    for (const { source, mean } of this.#pairs) native.lerpInto(source.handle, this.#weight.handle, mean.handle);
  }

  /** To be called after every change of the masks. */
  enforce(): void {
    for (const { name, mask } of this.#model.arena.parameters) mask?.apply(this.tensors.get(name) as Tensor);
  }

  /** Evaluates the model with the averages in the place of its weights and statistics, which are put back bit by bit. */
  async instead<T>(evaluate: () => Promise<T>): Promise<T> {
    const own = unscoped(() => this.#pairs.map(({ source }) => copyOf(source)));
    try {
      for (const { source, mean } of this.#pairs) source.copyFrom(mean);
      return await evaluate();
    } finally {
      for (const [index, { source }] of this.#pairs.entries()) source.copyFrom(own[index] as Tensor);
      for (const copy of own) copy.dispose();
    }
  }

  [Symbol.dispose](): void {
    for (const tensor of this.tensors.values()) tensor.dispose();
    for (const { mean } of this.#pairs) mean.dispose();
    this.#weight.dispose();
  }
}
