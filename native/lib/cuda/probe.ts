import { spawnSync } from 'node:child_process';
import { resolve as absolute } from 'node:path';
import { root } from '../binary.js';
import type { BackendInfo } from '../binding.js';

export interface Probed {
  /** Names of the functions the binary has. */
  readonly functions: readonly string[];
  readonly info: BackendInfo | undefined;
}

/** Seconds. A machine with many GPUs whose driver has been idle takes several to answer. */
const DEFAULT_TIMEOUT = 60;

function timeoutSeconds(): number {
  const wish = Number(process.env.S2SAM_CUDA_TIMEOUT);
  return Number.isFinite(wish) && wish > 0 ? wish : DEFAULT_TIMEOUT;
}

/** The last thing somebody printed, for an error message. */
const lastLine = (text: string): string => {
  const line = text.trim().split('\n').at(-1) ?? '';
  return line === '' ? '' : ` (${line.slice(0, 200)})`;
};

/**
 * Loads a binary, the libraries named to it and with them the driver in a process of its own, so that none of them can hurt this
 * one. Throws an Error that says what went wrong: the loader's message, a crash, or no answer in time (S2SAM_CUDA_TIMEOUT seconds).
 */
export function probe(binary: string, libraries: Readonly<Record<string, string>>): Probed {
  const seconds = timeoutSeconds();
  const { NODE_OPTIONS: _, ...env } = process.env; // what they load into every process is no part of this test
  const child = spawnSync(
    process.execPath,
    [`${root}lib/cuda/probe.cjs`, absolute(binary), JSON.stringify(libraries)],
    {
      env,
      encoding: 'utf8',
      timeout: 1000 * seconds,
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const error = child.error as NodeJS.ErrnoException | undefined;
  if (error?.code === 'ETIMEDOUT') {
    throw new Error(
      `a trial process that loaded it did not answer within ${seconds} s; S2SAM_CUDA_TIMEOUT sets another limit`,
    );
  }
  if (error !== undefined) throw new Error(`a trial process could not be started: ${error.message}`);
  if (child.signal !== null) {
    throw new Error(`a trial process that loaded it was killed by ${child.signal}${lastLine(child.stderr)}`);
  }
  const line = /^s2sam-probe (.*)$/m.exec(child.stdout)?.[1];
  if (child.status !== 0 || line === undefined) {
    throw new Error(`a trial process that loaded it ended with exit code ${child.status}${lastLine(child.stderr)}`);
  }
  const answer = JSON.parse(line) as Probed & { error?: string };
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer;
}
