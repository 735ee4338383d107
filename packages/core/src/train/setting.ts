import type { Classifier } from '../models/classifier.js';
import type { Batching } from './batching.js';
import type { Description } from './checks.js';
import type { StartEvent } from './events.js';
import type { TrainOptions } from './options.js';

/** What a checkpoint and the run that goes on from it must agree on. */
export function descriptionOf(
  model: Classifier,
  { optimizer, sparsity, data, seed = 0, ema }: TrainOptions,
  { batchSize, accumulate }: Batching,
): Description {
  return {
    optimizer: optimizer.name,
    sparsity: sparsity?.name ?? 'dense',
    batchSize,
    accumulate,
    ema: ema?.decay ?? 0,
    seed,
    dtype: model.dtype,
    datasetName: data.name,
  };
}

type Setting = Pick<
  StartEvent,
  'model' | 'optimizer' | 'sparsity' | 'batchSize' | 'accumulate' | 'ema' | 'seed' | 'dtype' | 'device' | 'dataset'
>;

/** What stays the same over a training, as its first event tells it. */
export function settingOf(model: Classifier, { data }: TrainOptions, description: Description): Setting {
  const { kind, name, isa, threads } = model.device;
  const { datasetName, ...rest } = description;
  return {
    model: model.name,
    ...rest,
    device: { kind, name, isa, threads },
    dataset: {
      name: datasetName,
      synthetic: data.synthetic,
      classes: data.classes,
      trainSize: data.train.size,
      testSize: data.test.size,
    },
  };
}
