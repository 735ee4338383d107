import type { Classifier } from '../models/classifier.js';
import { type Evaluation, Evaluator } from './evaluate.js';
import type { TrainOptions } from './options.js';

/** Evaluates on the test split where the options say so; makes its evaluator, which holds the images, when it is first needed. */
export class LazyEvaluator implements Disposable {
  #evaluator: Evaluator | undefined;

  constructor(
    private readonly model: Classifier,
    private readonly options: TrainOptions,
    /** That of training, so that the evaluation fits into the memory of a recorded step. */
    private readonly batchSize: number,
  ) {}

  async after(epoch: number, last: boolean): Promise<Evaluation | undefined> {
    const { evaluateEvery = 1, data } = this.options;
    if (evaluateEvery === 0 || (!last && (epoch + 1) % evaluateEvery !== 0)) return undefined;
    this.#evaluator ??= new Evaluator(this.model, { data, batchSize: this.batchSize });
    for await (const event of this.#evaluator.run()) if (event.type === 'result') return event;
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#evaluator?.[Symbol.dispose]();
  }
}
