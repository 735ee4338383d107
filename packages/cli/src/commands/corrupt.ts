import { ConfigError, type ImageDataset } from '@s2sam/core';
import { generateCifarC, generatedCorruptions } from '@s2sam/data';
import { loadConfig } from '../config/load.js';
import { INTERRUPTED, Interrupt, unlessAborted } from '../run/interrupt.js';
import type { Output } from '../run/output.js';
import { openData } from '../setup/data.js';

/** Options of `s2sam corrupt`, as the shell gives them. */
export interface CorruptCommand {
  readonly seed: number;
  readonly severities?: readonly number[];
  readonly only?: readonly string[];
  readonly images?: number;
}

/**
 * `s2sam corrupt`: makes corrupted copies of the test images of CIFAR-10 or CIFAR-100. `overrides` say where these are. Resolves with the
 * exit code.
 */
export async function corruptCommand(
  folder: string,
  options: CorruptCommand,
  overrides: readonly string[],
  output: Output,
): Promise<number> {
  const { data } = loadConfig({ overrides: ['--train.epochs=1', ...overrides] });
  if (data.name !== 'cifar10' && data.name !== 'cifar100') {
    throw new ConfigError(`corrupt: data.name is ${data.name}; only cifar10 and cifar100 can be corrupted here`, {
      op: 'corrupt',
    });
  }
  using interrupt = new Interrupt();
  const { signal } = interrupt;
  const work = async (): Promise<true> => {
    const dataset = (await openData(data, 'cpu', output.print, signal)) as ImageDataset;
    await generateCifarC(folder, dataset, {
      ...options,
      signal,
      onProgress: ({ corruption, done, total }) => output.print(`${done + 1}/${total}  ${corruption}`),
    });
    return true;
  };
  if ((await unlessAborted(signal, work())) === undefined) {
    output.print('interrupted; the same command goes on');
    return INTERRUPTED;
  }
  const count = options.only?.length ?? generatedCorruptions.length;
  output.print(`written    ${folder}: ${count} corruptions of ${data.name}, generated: not the released files`);
  return 0;
}
