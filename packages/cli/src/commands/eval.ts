import {
  type Classifier,
  ConfigError,
  createModel,
  densityOf,
  type Evaluation,
  evaluate,
  loadWeights,
  readCheckpoint,
} from '@s2sam/core';
import { openImages } from '@s2sam/data';
import { changeConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { mark, percent } from '../consumers/lines.js';
import { type CorruptionOptions, measureCorruptions } from '../corruptions/evalCorruptions.js';
import { resultLines } from '../corruptions/lines.js';
import { checkpointOf, savedConfig } from '../run/checkpoint.js';
import { INTERRUPTED, Interrupt, unlessAborted } from '../run/interrupt.js';
import type { Output } from '../run/output.js';
import { writePredictions } from '../run/predictions.js';
import { openSession, type Session } from '../setup/session.js';

const MAY_CHANGE = ['data', 'device', 'train.batchSize'];

async function measure(model: Classifier, session: Session, config: Config, signal: AbortSignal): Promise<Evaluation> {
  for await (const event of evaluate(model, { data: session.dataset, batchSize: config.train.batchSize, signal })) {
    if (event.type === 'result') return event;
  }
  throw signal.reason;
}

/** What was evaluated, and where. */
interface Subject {
  readonly checkpoint: string;
  readonly model: string;
  readonly step: number;
  readonly density: number;
  readonly device: string;
}

/** What `--json` prints, and the line is made of. */
interface Result extends Subject, Omit<Evaluation, 'type'> {
  readonly dataset: string;
  readonly synthetic: boolean;
}

function line(result: Result): string {
  const parts = [
    `${result.model} on ${result.dataset} test`,
    `acc ${percent(result.accuracy)}`,
    `top-5 ${percent(result.top5Accuracy)}`,
    `loss ${result.loss.toFixed(4)}`,
    `density ${percent(result.density)}`,
    `${result.images} images`,
    `${(result.images / result.seconds).toFixed(0)} img/s`,
  ];
  return mark(result.synthetic, parts.join('  '));
}

export interface EvalCommand extends Partial<CorruptionOptions> {
  /** Evaluate the moving average of the weights. */
  readonly ema?: boolean;
  readonly json?: boolean;
  /** File for the class of every test image. */
  readonly predictions?: string;
}

/** The numbers as `--json` gives them, and as lines. */
interface Answer {
  readonly json: object;
  readonly lines: readonly string[];
}

async function answer(
  model: Classifier,
  session: Session,
  config: Config,
  options: EvalCommand,
  subject: Subject,
  output: Output,
  signal: AbortSignal,
): Promise<Answer> {
  const { batchSize } = config.train;
  if (options.corruptions !== undefined) {
    const openTree = (root: string) =>
      openImages({ root, imageSize: 224, resize: 0, workers: config.data.workers || 1 });
    const work = { ...options, corruptions: options.corruptions, batchSize, openTree, signal, say: output.remark };
    const { type: _, ...numbers } = await measureCorruptions(model, session, work);
    return { json: { ...subject, ...numbers }, lines: resultLines({ type: 'result', ...numbers }) };
  }
  if (options.predictions !== undefined)
    await writePredictions(model, session, options.predictions, { batchSize, signal });
  const { type: _, ...numbers } = await measure(model, session, config, signal);
  const { name: dataset, synthetic } = session.dataset;
  const result = { ...subject, dataset, synthetic, ...numbers };
  return { json: result, lines: [line(result)] };
}

function checkOptions({ corruptions, severities, only }: EvalCommand): void {
  if (corruptions !== undefined || (severities === undefined && only === undefined)) return;
  const name = severities === undefined ? '--only' : '--severities';
  throw new ConfigError(`eval: ${name} chooses corrupted images; name their folder with --corruptions too`, {
    op: 'eval',
  });
}

/**
 * `s2sam eval`: loss, accuracy and top-5 accuracy on the test images, or accuracies on corrupted ones. Resolves with the exit code.
 */
export async function evalCommand(
  path: string,
  options: EvalCommand,
  overrides: readonly string[],
  output: Output,
): Promise<number> {
  checkOptions(options);
  const checkpoint = await readCheckpoint(checkpointOf(path));
  const config = changeConfig(savedConfig(checkpoint), overrides, MAY_CHANGE, 'an evaluation takes the model as it is');
  using interrupt = new Interrupt();
  const { signal } = interrupt;
  const opened = await unlessAborted(signal, openSession(config, options.json ? output.remark : output.print, signal));
  if (opened === undefined) return INTERRUPTED;
  await using session = opened;
  const { device } = session;
  using model = createModel(checkpoint.model, { device, classes: checkpoint.classes });
  loadWeights(model, checkpoint, { average: options.ema === true });
  const subject: Subject = {
    checkpoint: checkpoint.path,
    model: checkpoint.model,
    step: checkpoint.position.step,
    density: densityOf(model.arena).density,
    device: device.name,
  };
  const answered = await unlessAborted(signal, answer(model, session, config, options, subject, output, signal));
  if (answered === undefined) return INTERRUPTED;
  for (const text of options.json ? [JSON.stringify(answered.json)] : answered.lines) output.print(text);
  return 0;
}
