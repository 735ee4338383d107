import { type AnySplit, ArgumentError, type Classifier, DataError, Evaluator, type ImageDataset } from '@s2sam/core';
import {
  type CorruptionName,
  type CorruptionSource,
  checkCorruptions,
  checkSeverities,
  corruptionNames,
  type Severity,
  severities,
} from '@s2sam/data';
import { closeData } from '../setup/data.js';
import { type Cell, type CorruptionMetrics, corruptionMetrics } from './metrics.js';

export interface EvaluateCorruptionsOptions {
  /** The clean images: their accuracy stands beside the others, and relative mCE needs it. */
  readonly clean?: ImageDataset<AnySplit> | undefined;
  /** Default: all that are there. */
  readonly corruptions?: readonly string[] | undefined;
  /** Default: all that are there. */
  readonly severities?: readonly number[] | undefined;
  /** Default 256. */
  readonly batchSize?: number | undefined;
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Shares of the images, 0..1. */
interface Measured {
  readonly accuracy: number;
  readonly top5Accuracy: number;
  readonly loss: number;
  readonly images: number;
  readonly seconds: number;
}

export interface CleanEvent extends Measured {
  readonly type: 'clean';
  readonly dataset: string;
}

export interface CorruptionEvent extends Measured, Cell {
  readonly type: 'corruption';
  /** Which of how many. */
  readonly index: number;
  readonly total: number;
}

export interface CorruptionResult extends CorruptionMetrics {
  readonly type: 'result';
  /** E.g. `cifar10-c`; `cifar10-c-generated` where `generated`. */
  readonly dataset: string;
  readonly generated: boolean;
  readonly clean?: Omit<CleanEvent, 'type'>;
  /** All evaluated, the clean ones apart. */
  readonly images: number;
  readonly seconds: number;
}

export type EvaluateCorruptionsEvent = CleanEvent | CorruptionEvent | CorruptionResult;

const OP = 'evaluateCorruptions';
/** What AlexNet's errors are of. */
const IMAGENET_CLASSES = 1000;

/** What to measure of what is there. Throws ArgumentError, and DataError where nothing is left. */
function cellsOf(source: CorruptionSource, options: EvaluateCorruptionsOptions): Cell[] {
  const names = checkCorruptions(OP, options.corruptions ?? corruptionNames);
  const wanted = checkSeverities(OP, options.severities ?? severities);
  const cells = names.flatMap((corruption) => {
    const there = source.available.get(corruption) ?? [];
    return there.filter((severity) => wanted.includes(severity)).map((severity) => ({ corruption, severity }));
  });
  if (cells.length > 0) return cells;
  const there = [...source.available].map(([name, found]) => `${name} (${found.join(', ')})`).join(', ');
  throw new DataError(`${OP}: ${source.name} has nothing of what is asked for; there are ${there}`, { op: OP });
}

async function measure(
  model: Classifier,
  data: ImageDataset<AnySplit>,
  { batchSize, signal }: EvaluateCorruptionsOptions,
): Promise<Measured> {
  using evaluator = new Evaluator(model, { data, ...(batchSize === undefined ? {} : { batchSize }) });
  for await (const event of evaluator.run(signal)) {
    if (event.type !== 'result') continue;
    const { type: _, ...numbers } = event;
    return numbers;
  }
  throw new ArgumentError(`${OP}: the evaluation of ${data.name} ended without a result`, { op: OP });
}

/**
 * Evaluates a network, at its plain weights, on the clean images, then on each corruption and severity that is there: an event each,
 * and at last the result with all means. The 4 extra corruptions are in no mean over the 15; mCE and relative mCE are given only for
 * ImageNet-C with 1000 classes, and only where nothing is missing. Throws ArgumentError for unknown names, severities, and for images
 * of another number of classes than the network's; DataError for what is missing or damaged; the signal's reason when aborted.
 */
export async function* evaluateCorruptions(
  model: Classifier,
  source: CorruptionSource,
  options: EvaluateCorruptionsOptions = {},
): AsyncGenerator<EvaluateCorruptionsEvent> {
  const cells = cellsOf(source, options);
  let clean: CleanEvent | undefined;
  if (options.clean !== undefined) {
    clean = { type: 'clean', dataset: options.clean.name, ...(await measure(model, options.clean, options)) };
    yield clean;
  }
  const accuracies = new Map<CorruptionName, Map<Severity, number>>();
  let [images, seconds] = [0, 0];
  for (const [index, { corruption, severity }] of cells.entries()) {
    options.signal?.throwIfAborted();
    const data = await source.open(corruption, severity);
    const measured = await measure(model, data, options).finally(() => closeData(data));
    accuracies.set(corruption, (accuracies.get(corruption) ?? new Map()).set(severity, measured.accuracy));
    images += measured.images;
    seconds += measured.seconds;
    yield { type: 'corruption', corruption, severity, ...measured, index, total: cells.length };
  }
  const alexNet = source.alexNet && model.classes === IMAGENET_CLASSES;
  const { type: _, ...cleanNumbers } = clean ?? { type: 'clean' };
  yield {
    type: 'result',
    dataset: source.name,
    generated: source.generated,
    ...('accuracy' in cleanNumbers ? { clean: cleanNumbers } : {}),
    images,
    seconds,
    ...corruptionMetrics(accuracies, { alexNet, cleanAccuracy: clean?.accuracy }),
  };
}
