import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const bin = fileURLToPath(new URL('../bin/s2sam.mjs', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Lines of standard output, without the empty one at the end. */
  readonly lines: string[];
}

export interface Started {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
}

const children = new Set<ChildProcess>();

/** Ends what a failed test left running. */
export function stopAll(): void {
  for (const child of children) child.kill('SIGKILL');
}

/** Starts the built command in a folder of its own. */
export function start(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += String(text);
  });
  child.stderr.on('data', (text) => {
    stderr += String(text);
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      children.delete(child);
      resolve({ code, stdout, stderr, lines: stdout.trimEnd().split('\n') });
    });
  });
  return { child, finished };
}

export const run = (cwd: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Finished> =>
  start(cwd, args, env).finished;

type Line = Record<string, unknown> & { readonly type: string };

/** Whole lines of a run's log so far. */
export function logged(path: string): Line[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Line);
}

/** step -> loss, as the log tells it last. */
export const lossesOf = (path: string): Map<number, number> =>
  new Map(
    logged(path).flatMap((line) => (line.type === 'step' ? [[Number(line.step), Number(line.loss)] as const] : [])),
  );

/** A network and data small enough for a test: ten images of 16 x 16 pixels per class. */
export const tiny = (steps: number): string[] => [
  'train',
  '--preset=quickstart',
  '--model=resnet20',
  '--data=procedural',
  '--data.imageSize=16',
  '--data.trainImages=100',
  '--data.testImages=40',
  '--train.batchSize=10',
  `--train.steps=${steps}`,
  '--optimizer.lr=0.05',
  '--output.logEvery=5',
  '--device.threads=1',
];
