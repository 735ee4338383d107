import { readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { DataError } from '@s2sam/core';
import { type EncodedDataset, type EncodedSplit, noImages } from './encoded.js';
import { FileStretches } from './fileStretches.js';

const BLOCK = 512;
const imageExtensions = new Set(['jpg', 'jpeg', 'png', 'webp', 'ppm', 'image', 'img', 'input.jpg']);

/** A file in a tar archive. */
interface Member {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

/** An image in a shard, and its label. */
interface Sample {
  readonly shard: number;
  readonly key: string;
  readonly offset: number;
  readonly length: number;
  readonly label: number;
}

const damaged = (path: string, what: string): DataError =>
  new DataError(`images: the shard ${path} is damaged: ${what}; fetch or make it again`, { op: 'images' });

const text = (bytes: Buffer): string => bytes.toString('utf8').replace(/\0.*$/s, '');

/** The value of a key in a pax header: lines of "length key=value". */
const paxValue = (header: Buffer, key: string): string | undefined =>
  new RegExp(`^\\d+ ${key}=(.*)$`, 'm').exec(header.toString('utf8'))?.[1];

/** The regular files of an archive by their headers alone: ustar, with GNU's and pax's long names. */
function* membersOf(file: FileStretches): Generator<Member> {
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= file.size; ) {
    const header = file.read(at, BLOCK);
    if (header.every((byte) => byte === 0)) return;
    const length = Number.parseInt(text(header.subarray(124, 136)).trim(), 8);
    if (!(length >= 0)) throw damaged(file.path, `the header at byte ${at} names no size`);
    const offset = at + BLOCK;
    if (offset + length > file.size) throw damaged(file.path, `it ends inside the file whose header is at byte ${at}`);
    const type = String.fromCharCode(header[156] as number);
    at = offset + Math.ceil(length / BLOCK) * BLOCK;
    if (type === 'L') longName = text(file.read(offset, length));
    if (type === 'x') longName = paxValue(file.read(offset, length), 'path') ?? longName;
    if (type !== '0' && type !== '\0') continue;
    const prefix = header.toString('latin1', 257, 262) === 'ustar' ? text(header.subarray(345, 500)) : '';
    const name = text(header.subarray(0, 100));
    yield { name: longName ?? (prefix === '' ? name : `${prefix}/${name}`), offset, length };
    longName = undefined;
  }
}

/** What belongs to one key. */
interface Parts {
  image?: Member;
  label?: number;
}

/** Its number, from `<key>.cls` (digits) or `<key>.json` (`label`, `cls` or `class_id`). */
function labelIn(file: FileStretches, { name, offset, length }: Member, extension: string): number | undefined {
  if (extension !== 'cls' && extension !== 'json') return undefined;
  const content = file.read(offset, length).toString('utf8');
  try {
    const value: unknown = JSON.parse(content);
    const found = typeof value === 'object' && value !== null ? pick(value as Record<string, unknown>) : value;
    if (Number.isInteger(found) && (found as number) >= 0) return found as number;
  } catch {
    // Told below.
  }
  if (extension === 'json') return undefined;
  throw damaged(file.path, `${name} holds '${content.slice(0, 40)}', which is no label`);
}

const pick = ({ label, cls, class_id }: Record<string, unknown>): unknown => label ?? cls ?? class_id;

/** The samples of a shard: files that share a name up to its first dot. */
function samplesOf(path: string, shard: number): Sample[] {
  using file = new FileStretches(path);
  const keys = new Map<string, Parts>();
  for (const member of membersOf(file)) {
    const dot = member.name.indexOf('.', member.name.lastIndexOf('/') + 1);
    if (dot < 0) continue;
    const [key, extension] = [member.name.slice(0, dot), member.name.slice(dot + 1).toLowerCase()];
    const parts = keys.get(key) ?? {};
    keys.set(key, parts);
    if (imageExtensions.has(extension)) parts.image = member;
    const label = labelIn(file, member, extension);
    if (label !== undefined) parts.label = label;
  }
  return [...keys].flatMap(([key, { image, label }]) => {
    if (image === undefined) return [];
    if (label === undefined) throw damaged(path, `${key} has no label (a .cls file, or "label" in a .json file)`);
    return [{ shard, key, offset: image.offset, length: image.length, label }];
  });
}

function splitOf(paths: readonly string[]): EncodedSplit {
  if (paths.length === 0) return noImages;
  const samples = paths.flatMap((path, shard) => samplesOf(path, shard));
  const sample = (index: number): Sample => samples[index] as Sample;
  const container = (index: number): string => paths[sample(index).shard] as string;
  return {
    size: samples.length,
    labels: Int32Array.from(samples, ({ label }) => label),
    nameOf: (index) => `${sample(index).key} in ${container(index)}`,
    place: (index) => ({
      container: container(index),
      offset: sample(index).offset,
      length: sample(index).length,
    }),
  };
}

/** Files of a kind in a folder or below `train` and `val` folders in it, by split; names tell where folders do not. */
export function filesBySplit(root: string, ending: string): { train: string[]; test: string[] } {
  const all = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .sort();
  const isTest = (name: string): boolean => /(^|[/_.-])(val|valid|validation|test)([/_.-]|$)/.test(name);
  return {
    train: all.filter((name) => !isTest(name)).map((name) => join(root, name)),
    test: all.filter(isTest).map((name) => join(root, name)),
  };
}

export const countClasses = (...splits: readonly EncodedSplit[]): number =>
  splits.reduce((most, { labels }) => labels.reduce((a, b) => Math.max(a, b + 1), most), 0);

/**
 * WebDataset: `*.tar` files with `<key>.jpg` and `<key>.cls` (or a label in `<key>.json`) beside one another. Shards whose path names
 * `val`, `validation`, `valid` or `test` are for testing. Reads the headers alone. Throws DataError.
 */
export function openShards(root: string): EncodedDataset {
  const files = filesBySplit(root, '.tar');
  const [train, test] = [splitOf(files.train), splitOf(files.test)];
  const classes = Array.from({ length: countClasses(train, test) }, (_, label) => String(label));
  return { name: basename(resolve(root)), classes, train, test };
}
