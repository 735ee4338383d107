import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { DataError } from '@s2sam/core';
import { byCodeUnit, type EncodedDataset, type EncodedSplit, noImages, splitNames } from './encoded.js';

/** What counts as an image, as in torchvision. */
const extensions = new Set(['.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp']);

const isImage = (name: string): boolean => extensions.has(name.slice(name.lastIndexOf('.')).toLowerCase());

/** Names of the folders in a folder, sorted. */
export function foldersIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || (entry.isSymbolicLink() && isFolder(join(folder, entry.name))))
    .map(({ name }) => name)
    .sort(byCodeUnit);
}

export const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

/** The folder of a split below a data set's, if there is one. */
export const splitFolder = (root: string, split: keyof typeof splitNames): string | undefined =>
  splitNames[split].map((name) => join(root, name)).find(isFolder);

/** Image files of a class folder, those of folders in it behind its own; paths from there. */
function imagesIn(folder: string): string[] {
  const own = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && isImage(entry.name))
    .map(({ name }) => name)
    .sort(byCodeUnit);
  const below = foldersIn(folder).flatMap((name) => imagesIn(join(folder, name)).map((file) => join(name, file)));
  return [...own, ...below];
}

/** One tree of class folders: labels are the places of their sorted names. */
function readTree(root: string, classes: readonly string[]): EncodedSplit {
  const files = classes.map((name) => imagesIn(join(root, name)));
  const starts: number[] = [];
  let size = 0;
  for (const [label, { length }] of files.entries()) {
    if (length === 0) {
      throw new DataError(`images: ${join(root, classes[label] as string)} has no images; every class needs some`, {
        op: 'images',
      });
    }
    starts.push(size);
    size += length;
  }
  const labels = new Int32Array(size);
  for (const [label, start] of starts.entries()) labels.fill(label, start);
  const pathOf = (index: number): string => {
    const label = labels[index] as number;
    return join(root, classes[label] as string, files[label]?.[index - (starts[label] as number)] as string);
  };
  return { size, labels, nameOf: pathOf, place: (index) => ({ path: pathOf(index) }) };
}

/** Whether a folder has class folders with images; looks at the first one alone. */
export function looksLikeTree(root: string): boolean {
  const [first] = foldersIn(root);
  return first !== undefined && imagesIn(join(root, first)).length > 0;
}

/** A tree of class folders alone, all of it for testing. Throws DataError. */
export function openTree(root: string): EncodedDataset {
  const classes = foldersIn(root);
  return { name: basename(resolve(root)), classes, train: noImages, test: readTree(root, classes) };
}

/**
 * `root/train/<class>/...` and `root/val/<class>/...` (or `validation`, `valid`, `test`), as torchvision's ImageFolder reads them: labels
 * are the places of the sorted names of the class folders. Throws DataError where the two do not have the same classes.
 */
export function openFolders(root: string, train: string, test: string): EncodedDataset {
  const [classes, others] = [foldersIn(train), foldersIn(test)];
  if (String(classes) !== String(others)) {
    const missing = classes.filter((name) => !others.includes(name));
    const extra = others.filter((name) => !classes.includes(name));
    const list = (what: string, names: readonly string[]): string =>
      names.length === 0
        ? ''
        : `; ${what} ${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
    throw new DataError(
      `images: ${train} and ${test} do not have the same class folders${list('only the first has', missing)}` +
        `${list('only the second has', extra)}; both need a folder for every class (unpack the validation images into them)`,
      { op: 'images' },
    );
  }
  return { name: basename(resolve(root)), classes, train: readTree(train, classes), test: readTree(test, classes) };
}
