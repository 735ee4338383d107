import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, type ImageDataset, ioError } from '@s2sam/core';
import { type CifarSpec, cifar10Spec, cifar100Spec } from '../cifar.js';
import { type CorruptionName, corruptionNames, isCorruption, type Severity, severities } from './names.js';
import { type CifarName, type GeneratedNote, readNote } from './note.js';
import { type NpyArray, NpyFile } from './npy.js';
import { CHANNELS, SIDE, toPlanes } from './planes.js';
import type { CorruptionSource } from './source.js';

export const cifarSpecs: Readonly<Record<CifarName, CifarSpec>> = { cifar10: cifar10Spec, cifar100: cifar100Spec };

const RELEASED_IMAGES = 10_000;
const OP = 'openCifarC';

/** Which images a file has: the same for each severity, one severity after the other. */
interface Layout {
  readonly severities: readonly Severity[];
  readonly images: number;
}

const released: Layout = { severities, images: RELEASED_IMAGES };

/** Names of corruptions with a .npy file in a folder. */
export function corruptionFiles(folder: string): CorruptionName[] {
  const names = readFolder(folder).flatMap((file) => (file.endsWith('.npy') ? [file.slice(0, -4)] : []));
  return corruptionNames.filter((name) => names.includes(name) && isCorruption(name));
}

function readFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    throw ioError(OP, folder, cause);
  }
}

/**
 * CIFAR-10-C or CIFAR-100-C as released: `<corruption>.npy`, uint8 [50000, 32, 32, 3] with 10,000 images per severity and severity 1
 * first, and `labels.npy`, uint8 or int64 [50000]. Or a folder that `generateCifarC` made, which its `generated.json` tells and
 * describes. Only the images of one severity are read at a time. Throws DataError where no such files are, where their note is of the
 * other data set, and, on opening a severity, for damaged files and labels that are not those of the data set; IoError.
 */
export function openCifarC(folder: string, dataset: CifarName): CorruptionSource {
  const note = readNote(folder);
  const found = corruptionFiles(folder);
  if (found.length === 0 || !existsSync(join(folder, 'labels.npy'))) {
    const missing = found.length === 0 ? `no file of a corruption (${corruptionNames[0]}.npy, ...)` : 'no labels.npy';
    throw new DataError(`${OP}: ${folder} has ${missing}; unpack the archive of ${dataset} with corruptions there`, {
      op: OP,
    });
  }
  if (note !== undefined && note.source !== dataset) {
    throw new DataError(`${OP}: ${folder} was made from ${note.source}, not ${dataset}; name a folder of ${dataset}`, {
      op: OP,
    });
  }
  const layout: Layout = note ?? released;
  const name = note?.dataset ?? `${dataset}-c`;
  return {
    name,
    generated: note !== undefined,
    alexNet: false,
    available: new Map(found.map((corruption) => [corruption, layout.severities])),
    open: (corruption, severity) => openSeverity({ folder, dataset, name, note, layout }, corruption, severity),
  };
}

interface Place {
  readonly folder: string;
  readonly dataset: CifarName;
  readonly name: string;
  readonly note: GeneratedNote | undefined;
  readonly layout: Layout;
}

async function openSeverity(place: Place, corruption: CorruptionName, severity: Severity): Promise<ImageDataset> {
  const { folder, dataset, name, layout } = place;
  const block = layout.severities.indexOf(severity);
  if (block < 0) {
    throw new DataError(`${OP}: ${folder} has severities ${layout.severities.join(', ')}, not ${severity}`, { op: OP });
  }
  const begin = block * layout.images;
  const pixels = await readBlock(place, `${corruption}.npy`, [SIDE, SIDE, CHANNELS], begin);
  if (!(pixels instanceof Uint8Array)) {
    throw damaged(join(folder, `${corruption}.npy`), 'its elements are no uint8');
  }
  const labels = checkLabels(place, await readBlock(place, 'labels.npy', [], begin));
  const { classes, mean, std } = cifarSpecs[dataset];
  return {
    name: `${name}/${corruption}/${severity}`,
    synthetic: false,
    classes,
    imageShape: [CHANNELS, SIDE, SIDE],
    mean,
    std,
    augmentation: { pad: 0, flip: false },
    train: { size: 0, images: new Uint8Array(0), labels: new Uint8Array(0) },
    test: { size: layout.images, images: toPlanes(pixels), labels },
  };
}

const damaged = (path: string, what: string): DataError =>
  new DataError(`${OP}: ${path}: ${what}; put a sound copy there`, { op: OP });

async function readBlock(
  { folder, layout, note }: Place,
  file: string,
  row: readonly number[],
  begin: number,
): Promise<NpyArray> {
  const path = join(folder, file);
  await using npy = await NpyFile.open(path);
  const expected = [layout.severities.length * layout.images, ...row];
  if (npy.header.shape.join() !== expected.join()) {
    const why = note === undefined ? 'as the released files are' : 'as generated.json says';
    throw damaged(path, `its shape is (${npy.header.shape}); it must be (${expected}), ${why}`);
  }
  return npy.rows(begin, layout.images);
}

/** Labels in range; and those of all classes, which tells files of CIFAR-10 from files of CIFAR-100. */
function checkLabels({ folder, dataset, note }: Place, stored: NpyArray): Int32Array {
  const { classes } = cifarSpecs[dataset];
  const labels = Int32Array.from(stored, Number);
  const wrong = labels.findIndex((label) => label < 0 || label >= classes);
  const path = join(folder, 'labels.npy');
  if (wrong >= 0) {
    throw damaged(path, `label ${labels[wrong]} is not from 0 to ${classes - 1}, those of ${dataset}`);
  }
  const highest = labels.reduce((most, label) => Math.max(most, label), 0);
  if (note === undefined && highest !== classes - 1) {
    throw damaged(path, `the highest label is ${highest}; those of ${dataset} reach ${classes - 1}`);
  }
  return labels;
}
