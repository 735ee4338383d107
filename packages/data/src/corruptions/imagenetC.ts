import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type AnySplit, DataError, type ImageDataset, ioError } from '@s2sam/core';
import { type CorruptionName, corruptionNames, groupOf, type Severity, severities } from './names.js';
import type { CorruptionSource } from './source.js';

/**
 * Opens a folder with one folder of images per class as the `test` part of a data set. The images of ImageNet-C are 224 x 224 already:
 * they are to be cropped in the centre to 224 and normalised, never resized.
 */
export type OpenTree = (folder: string) => Promise<ImageDataset<AnySplit>>;

const OP = 'openImageNetC';

function foldersIn(folder: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return [];
    throw ioError(OP, folder, cause);
  }
  return entries.flatMap((entry) => (entry.isDirectory() || entry.isSymbolicLink() ? [entry.name] : []));
}

/** The folder of a severity of each corruption under `root`, or under the group's folder, in which the archives are grouped. */
function findFolders(root: string): Map<CorruptionName, Map<Severity, string>> {
  const found = new Map<CorruptionName, Map<Severity, string>>();
  for (const corruption of corruptionNames) {
    const places = [join(root, corruption), join(root, groupOf(corruption), corruption)];
    for (const place of places) {
      const names = foldersIn(place);
      const there = severities.filter((severity) => names.includes(String(severity)));
      if (there.length === 0) continue;
      found.set(corruption, new Map(there.map((severity) => [severity, join(place, String(severity))])));
      break;
    }
  }
  return found;
}

/** Whether `openImageNetC` would find anything. */
export const holdsImageNetC = (root: string): boolean => findFolders(root).size > 0;

/**
 * ImageNet-C as released: `<root>/<corruption>/<severity>/<class>/*.JPEG`, or with the folder of a group (`noise`, `blur`, `weather`,
 * `digital`, `extra`) between root and corruption. `openTree` opens the folder of a severity. Throws DataError where there is none, and
 * what `openTree` throws; IoError.
 */
export function openImageNetC(root: string, openTree: OpenTree): CorruptionSource {
  const folders = findFolders(root);
  if (folders.size === 0) {
    throw new DataError(
      `${OP}: ${root} has no folder of a corruption; expected e.g. ${join(root, 'gaussian_noise', '1')} or ${join(root, 'noise', 'gaussian_noise', '1')}`,
      { op: OP },
    );
  }
  return {
    name: 'imagenet-c',
    generated: false,
    alexNet: true,
    available: new Map([...folders].map(([corruption, found]) => [corruption, [...found.keys()]])),
    async open(corruption, severity) {
      const folder = folders.get(corruption)?.get(severity);
      if (folder === undefined) {
        throw new DataError(`${OP}: ${root} has no ${corruption} of severity ${severity}; unpack its archive there`, {
          op: OP,
        });
      }
      return { ...(await openTree(folder)), name: `imagenet-c/${corruption}/${severity}` };
    },
  };
}
