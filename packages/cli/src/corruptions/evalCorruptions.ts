import type { Classifier } from '@s2sam/core';
import { type CifarName, type OpenTree, openCorruptions } from '@s2sam/data';
import type { Output } from '../run/output.js';
import type { Session } from '../setup/session.js';
import { type CorruptionResult, evaluateCorruptions } from './evaluate.js';
import { corruptionLine, markGenerated } from './lines.js';

/** Options of `s2sam eval` that ask for corrupted images instead of the test images alone. */
export interface CorruptionOptions {
  readonly corruptions: string;
  readonly severities?: readonly number[] | undefined;
  readonly only?: readonly string[] | undefined;
}

const cifarOf = (name: string): CifarName | undefined => (name === 'cifar10' || name === 'cifar100' ? name : undefined);

export interface CorruptionWork extends CorruptionOptions {
  readonly batchSize: number;
  /** How the folders of ImageNet-C are opened. */
  readonly openTree?: OpenTree | undefined;
  readonly signal: AbortSignal;
  readonly say: Output['remark'];
}

/** Evaluates a network on the clean test images of the session and on the corrupted ones of a folder; says how far it is. */
export async function measureCorruptions(
  model: Classifier,
  { dataset }: Session,
  { corruptions: folder, severities, only, batchSize, openTree, signal, say }: CorruptionWork,
): Promise<CorruptionResult> {
  const source = openCorruptions(folder, { cifar: cifarOf(dataset.name), openTree });
  const options = { clean: dataset, corruptions: only, severities, batchSize, signal };
  for await (const event of evaluateCorruptions(model, source, options)) {
    if (event.type === 'corruption') say(markGenerated(source.generated, corruptionLine(event)));
    if (event.type === 'result') return event;
  }
  throw signal.reason;
}
