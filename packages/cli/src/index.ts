/** The `s2sam` command as a library: its configuration, its consumers of training events, its report. */

export { type PairedDifference, pairedDifference, type Sample, sample } from './compare/statistics.js';
export { tQuantile } from './compare/student.js';
export { checkConfig } from './config/check.js';
export { type ConfigSources, configToYaml, loadConfig, presetNames } from './config/load.js';
export type { Config } from './config/schema.js';
export { Checkpointer } from './consumers/checkpointer.js';
export { type Consumer, consume, tolerant, type Warn } from './consumers/consumer.js';
export { JsonLines } from './consumers/jsonl.js';
export { LineLog } from './consumers/lineLog.js';
export { ProgressBar } from './consumers/progress.js';
export { TensorBoard } from './consumers/tensorboard.js';
export {
  type CleanEvent,
  type CorruptionEvent,
  type CorruptionResult,
  type EvaluateCorruptionsEvent,
  type EvaluateCorruptionsOptions,
  evaluateCorruptions,
} from './corruptions/evaluate.js';
export {
  type Accuracies,
  type CellMean,
  type CorruptionMetrics,
  type CorruptionScore,
  corruptionMetrics,
} from './corruptions/metrics.js';
export { main } from './main.js';
export { writeReport } from './report/write.js';
export { RunFolder } from './run/folder.js';
export type { Output } from './run/output.js';
export type { Summary } from './run/summary.js';
