import { countCorrect, crossEntropy } from '../autograd/loss.js';
import type { Classifier } from '../models/classifier.js';
import { scope, unscoped } from '../tensor/scope.js';
import { positiveInteger, type Tensor } from '../tensor/tensor.js';
import { checkClasses } from './checks.js';
import type { AnySplit, ImageDataset } from './data.js';
import { type BatchTensors, Loader } from './loader.js';
import { RecordedStep } from './recordedStep.js';

export interface Evaluation {
  readonly type: 'result';
  /** Mean cross-entropy over all images, without label smoothing. */
  readonly loss: number;
  /** Shares of the images, 0..1. */
  readonly accuracy: number;
  readonly top5Accuracy: number;
  readonly images: number;
  readonly seconds: number;
}

export type EvaluateEvent = { readonly type: 'progress'; readonly done: number; readonly total: number } | Evaluation;

export interface EvaluateOptions {
  readonly data: ImageDataset<AnySplit>;
  /** Default `test`. */
  readonly split?: 'train' | 'test';
  /** Default 256. Does not change the result beyond rounding. */
  readonly batchSize?: number;
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** loss sum, correct, correct among the first five. */
const SUMS = 3;
/** Steps enqueued before waiting: enough to keep the device busy, few enough to stop soon. */
const AHEAD = 4;

/** Evaluates a model again and again on one split, at its plain (unperturbed) weights, with one recorded batch. */
export class Evaluator implements Disposable {
  readonly #model: Classifier;
  readonly #loader: Loader;
  readonly #sums: Tensor;
  readonly #images: number;
  readonly #recorded: RecordedStep;

  constructor(model: Classifier, { data, split = 'test', batchSize = 256 }: EvaluateOptions) {
    positiveInteger('evaluate', 'batchSize', batchSize);
    checkClasses('evaluate', model, data);
    this.#model = model;
    this.#images = data[split].size;
    this.#loader = new Loader(model.device, data, data[split], { batchSize: Math.min(batchSize, this.#images) });
    this.#sums = unscoped(() => model.device.zeros([SUMS]));
    this.#recorded = new RecordedStep(model.device, () =>
      this.#add(this.#loader.load(model.dtype), this.#loader.batchSize),
    );
  }

  async *run(signal?: AbortSignal): AsyncGenerator<EvaluateEvent> {
    const begin = performance.now();
    const { training } = this.#model;
    const { batches, batchSize } = this.#loader;
    this.#sums.fill(0);
    try {
      for (let batch = 0; batch < batches; batch++) {
        signal?.throwIfAborted();
        await this.#loader.select(0, batch);
        this.#recorded.run();
        if (batch % AHEAD === AHEAD - 1) {
          await this.#model.device.synchronize();
          yield { type: 'progress', done: (batch + 1) * batchSize, total: this.#images };
        }
      }
      const rest = await this.#loader.remainder();
      if (rest !== undefined) scope(() => this.#add(rest.load(this.#model.dtype), rest.size));
    } finally {
      this.#model.train(training);
    }
    const [loss = 0, correct = 0, correct5 = 0] = await this.#sums.toArray();
    const images = this.#images;
    const seconds = (performance.now() - begin) / 1000;
    yield {
      type: 'result',
      loss: loss / images,
      accuracy: correct / images,
      top5Accuracy: correct5 / images,
      images,
      seconds,
    };
  }

  [Symbol.dispose](): void {
    this.#recorded[Symbol.dispose]();
    this.#loader[Symbol.dispose]();
    this.#sums.dispose();
  }

  #add({ x, labels }: BatchTensors, images: number): void {
    const logits = this.#model.eval().forward(x);
    this.#sum(0, crossEntropy(logits, labels), images);
    this.#sum(1, countCorrect(logits, labels), 1);
    this.#sum(2, countCorrect(logits, labels, Math.min(5, this.#model.classes)), 1);
  }

  #sum(slot: number, value: Tensor, scale: number): void {
    const { native } = value.device;
    native.addInto(value.handle, scale, this.#sums.view(slot, [1]).handle);
  }
}

/** Evaluates a model on a split: progress events, then one result. */
export async function* evaluate(model: Classifier, options: EvaluateOptions): AsyncGenerator<EvaluateEvent> {
  using evaluator = new Evaluator(model, options);
  yield* evaluator.run(options.signal);
}
