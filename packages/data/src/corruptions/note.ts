import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, ioError } from '@s2sam/core';
import { isSeverity, type Severity } from './names.js';

export type CifarName = 'cifar10' | 'cifar100';

/** What `generated.json` says of a folder: that its files are not the released ones, and all that determines them. */
export interface GeneratedNote {
  readonly generated: true;
  /** `cifar10-c-generated` or `cifar100-c-generated`. */
  readonly dataset: string;
  readonly source: CifarName;
  /** Of the programs that corrupt; files of another version are not comparable. */
  readonly version: number;
  readonly seed: number;
  readonly severities: readonly Severity[];
  /** Of each severity: the first so many test images. */
  readonly images: number;
}

export const NOTE = 'generated.json';

const isCount = (value: unknown, least: number): boolean => Number.isSafeInteger(value) && (value as number) >= least;

function isNote(value: unknown): value is GeneratedNote {
  if (typeof value !== 'object' || value === null) return false;
  const note = value as Partial<Record<keyof GeneratedNote, unknown>>;
  return (
    note.generated === true &&
    (note.source === 'cifar10' || note.source === 'cifar100') &&
    note.dataset === `${note.source}-c-generated` &&
    isCount(note.version, 1) &&
    isCount(note.seed, 0) &&
    isCount(note.images, 1) &&
    Array.isArray(note.severities) &&
    note.severities.length > 0 &&
    note.severities.every((severity) => isSeverity(severity))
  );
}

/** The note of a folder; undefined where there is none. Throws DataError for one that cannot be understood; IoError. */
export function readNote(folder: string): GeneratedNote | undefined {
  const path = join(folder, NOTE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw ioError('openCifarC', path, cause);
  }
  let note: unknown;
  try {
    note = JSON.parse(text);
  } catch {
    note = undefined;
  }
  if (!isNote(note)) {
    throw new DataError(`openCifarC: ${path} is damaged; make the folder again with 's2sam corrupt'`, {
      op: 'openCifarC',
    });
  }
  return note;
}
