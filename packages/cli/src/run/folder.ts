import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { IoError, ioError } from '@s2sam/core';
import { configToYaml } from '../config/load.js';
import type { Config } from '../config/schema.js';

/** The files of one run. */
export class RunFolder {
  readonly config: string;
  readonly metrics: string;
  readonly best: string;
  readonly last: string;
  readonly summary: string;
  readonly report: string;

  constructor(readonly dir: string) {
    this.config = join(dir, 'config.yaml');
    this.metrics = join(dir, 'metrics.jsonl');
    this.best = join(dir, 'best.safetensors');
    this.last = join(dir, 'last.safetensors');
    this.summary = join(dir, 'summary.json');
    this.report = join(dir, 'report.html');
  }

  get name(): string {
    return basename(resolve(this.dir));
  }

  /**
   * Makes the folder of a new run. Throws IoError when it cannot be written, when it holds a run already, or when the disk has less
   * than `bytes` left.
   */
  static create(dir: string, bytes: number): RunFolder {
    const folder = new RunFolder(dir);
    if (existsSync(folder.config)) {
      throw new IoError(
        `output.dir ${dir} holds a run already; go on with 's2sam resume ${dir}' or choose another folder`,
        {
          op: 'run folder',
        },
      );
    }
    folder.prepare(bytes);
    return folder;
  }

  /** Throws IoError unless files can be written and `bytes` fit on the disk. */
  prepare(bytes: number): void {
    ensureWritable(this.dir);
    const { bavail, bsize } = guard(this.dir, () => statfsSync(this.dir));
    if (bavail * bsize >= bytes) return;
    throw new IoError(
      `output.dir ${this.dir}: ${megabytes(bavail * bsize)} MB are free but the run's files need ${megabytes(bytes)} MB; ` +
        'free some space or choose another folder with --output.dir',
      { op: 'run folder' },
    );
  }

  /** Removes the files of a run that ended before its first checkpoint, which would be mixed up with a new one's. */
  clear(): void {
    if (!existsSync(this.dir)) return;
    const logs = readdirSync(this.dir).filter((file) => file.startsWith('events.out.tfevents.'));
    const files = [this.config, this.metrics, this.summary, this.report, ...logs.map((file) => join(this.dir, file))];
    guard(this.dir, () => {
      for (const file of files) rmSync(file, { force: true });
    });
  }

  /** Takes the folder away again when nothing came of the run. */
  removeIfEmpty(): void {
    try {
      rmdirSync(this.dir);
    } catch {
      // It holds something, so it stays.
    }
  }

  writeConfig(config: Config, header: readonly string[] = []): void {
    const comment = header.map((line) => `# ${line}\n`).join('');
    guard(this.config, () => writeFileSync(this.config, comment + configToYaml(withoutDir(config))));
  }

  writeSummary(summary: object): void {
    guard(this.summary, () => writeFileSync(this.summary, `${JSON.stringify(summary, null, 2)}\n`));
  }
}

/** Makes a folder where there is none and writes a file into it, for a moment. Returns the first folder made. Throws IoError. */
function ensureWritable(dir: string): string | undefined {
  const probe = join(dir, `.probe-${process.pid}`);
  return guard(dir, () => {
    const made = mkdirSync(dir, { recursive: true });
    writeFileSync(probe, 'probe');
    rmSync(probe);
    return made;
  });
}

/** Finds out whether files could be written in a folder, which may not exist yet, and leaves no trace. Throws IoError. */
export function checkWritable(dir: string): void {
  const made = ensureWritable(dir);
  if (made === undefined) return;
  for (let path = resolve(dir); path.startsWith(resolve(made)); path = dirname(path))
    new RunFolder(path).removeIfEmpty();
}

const megabytes = (bytes: number): number => Math.ceil(bytes / 1e6);

/** The saved configuration does not name its own folder, which may be moved. */
function withoutDir(config: Config): Config {
  const { dir: _, ...output } = config.output;
  return { ...config, output };
}

function guard<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw ioError('output.dir', path, cause);
  }
}

const two = (value: number): string => String(value).padStart(2, '0');

/** E.g. `runs/20261122-093000-resnet32-cifar10-rigl0.1-s2sam`; a number follows where that is taken. */
export function newRunDir(config: Config, dataset: string, now: Date): string {
  const date = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  const { method, density, channelSparsity } = config.sparsity;
  const sparsity = method === 'dense' ? method : `${method}${density ?? 1 - (channelSparsity ?? 0)}`;
  const dir = join('runs', [`${date}-${time}`, config.model.name, dataset, sparsity, config.optimizer.name].join('-'));
  let free = dir;
  for (let number = 2; existsSync(free); number++) free = `${dir}-${number}`;
  return free;
}
