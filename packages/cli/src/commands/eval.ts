import {
  type Classifier,
  createModel,
  densityOf,
  type Evaluation,
  evaluate,
  loadWeights,
  readCheckpoint,
} from '@s2sam/core';
import { changeConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { mark, percent } from '../consumers/lines.js';
import { checkpointOf, savedConfig } from '../run/checkpoint.js';
import { INTERRUPTED, Interrupt, unlessAborted } from '../run/interrupt.js';
import type { Output } from '../run/output.js';
import { openSession, type Session } from '../setup/session.js';

const MAY_CHANGE = ['data', 'device', 'train.batchSize'];

async function measure(model: Classifier, session: Session, config: Config, signal: AbortSignal): Promise<Evaluation> {
  for await (const event of evaluate(model, { data: session.dataset, batchSize: config.train.batchSize, signal })) {
    if (event.type === 'result') return event;
  }
  throw signal.reason;
}

/** What `--json` prints, and the line is made of. */
interface Result extends Omit<Evaluation, 'type'> {
  readonly checkpoint: string;
  readonly model: string;
  readonly step: number;
  readonly density: number;
  readonly dataset: string;
  readonly synthetic: boolean;
  readonly device: string;
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

/** `s2sam eval`: loss, accuracy and top-5 accuracy on the test images. Resolves with the exit code. */
export async function evalCommand(
  path: string,
  options: { readonly json?: boolean },
  overrides: readonly string[],
  output: Output,
): Promise<number> {
  const checkpoint = await readCheckpoint(checkpointOf(path));
  const config = changeConfig(savedConfig(checkpoint), overrides, MAY_CHANGE, 'an evaluation takes the model as it is');
  using interrupt = new Interrupt();
  const { signal } = interrupt;
  const opened = await unlessAborted(signal, openSession(config, options.json ? output.remark : output.print, signal));
  if (opened === undefined) return INTERRUPTED;
  await using session = opened;
  const { device, dataset } = session;
  using model = createModel(checkpoint.model, { device, classes: checkpoint.classes });
  loadWeights(model, checkpoint);
  const evaluation = await unlessAborted(signal, measure(model, session, config, signal));
  if (evaluation === undefined) return INTERRUPTED;
  const { type: _, ...numbers } = evaluation;
  const result: Result = {
    checkpoint: checkpoint.path,
    model: checkpoint.model,
    step: checkpoint.position.step,
    density: densityOf(model.arena).density,
    dataset: dataset.name,
    synthetic: dataset.synthetic,
    device: device.name,
    ...numbers,
  };
  output.print(options.json ? JSON.stringify(result) : line(result));
  return 0;
}
