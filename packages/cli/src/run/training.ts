import { type Checkpoint, type Classifier, train } from '@s2sam/core';
import { configToYaml } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { Checkpointer } from '../consumers/checkpointer.js';
import { type Consumer, consume, tolerant } from '../consumers/consumer.js';
import { JsonLines } from '../consumers/jsonl.js';
import { LineLog } from '../consumers/lineLog.js';
import { ProgressBar } from '../consumers/progress.js';
import { TensorBoard } from '../consumers/tensorboard.js';
import { writeReport } from '../report/write.js';
import type { Session } from '../setup/session.js';
import { length, trainOptions } from '../setup/trainOptions.js';
import type { RunFolder } from './folder.js';
import type { Output } from './output.js';
import { type Summary, SummaryKeeper } from './summary.js';

export interface TrainingRequest {
  readonly config: Config;
  readonly session: Session;
  readonly model: Classifier;
  readonly folder: RunFolder;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly resume?: Checkpoint;
}

/** Disk space a run may take: two checkpoints and the temporary one, of weights, momentum and gradient; and the logs. */
export const bytesNeeded = (parameters: number): number => 3 * 3 * 4 * parameters + 20e6;

/**
 * Trains with all consumers attached and leaves logs, checkpoints, summary and report in the folder. Trouble with logs is a warning;
 * a last checkpoint that could not be written is thrown after everything else was saved.
 */
export async function runTraining(request: TrainingRequest): Promise<Summary> {
  const { config, session, model, folder, output, signal, resume } = request;
  const { logEvery, checkpointEvery, checkpointSteps } = config.output;
  const { dataset } = session;
  const run = train(model, {
    ...trainOptions(config, session),
    ...length(config),
    signal,
    ...(resume === undefined ? {} : { resume }),
  });
  const extra = { config: configToYaml(config), dataset: dataset.name, synthetic: String(dataset.synthetic) };
  const checkpointer = new Checkpointer(run, folder, {
    everyEpochs: checkpointEvery,
    everySteps: checkpointSteps,
    extra,
    warn: output.warn,
  });
  const keeper = new SummaryKeeper(config.sparsity.density);
  const { density } = config.sparsity;
  const screen = output.interactive
    ? new ProgressBar(output.print, logEvery, process.stderr, density)
    : new LineLog(output.print, logEvery, density);
  const log = (name: string, consumer: Consumer): Consumer => tolerant(name, consumer, output.warn);
  try {
    await consume(run, [
      keeper,
      log('metrics.jsonl', new JsonLines(folder.metrics)),
      log('TensorBoard log', new TensorBoard(folder.dir, logEvery)),
      log('progress', screen),
      checkpointer,
    ]);
  } catch (error) {
    leaveReport(folder, output);
    throw error;
  }
  const summary = keeper.summary({
    preferred: checkpointer.preferred,
    last: folder.last,
    report: folder.report,
  }) as Summary;
  try {
    folder.writeSummary(summary);
  } catch (error) {
    output.warn((error as Error).message);
  }
  leaveReport(folder, output);
  if (checkpointer.failure !== undefined) throw checkpointer.failure;
  return summary;
}

function leaveReport(folder: RunFolder, output: Output): void {
  try {
    writeReport(folder, folder.report);
  } catch (error) {
    output.warn(`no report: ${(error as Error).message}`);
  }
}
