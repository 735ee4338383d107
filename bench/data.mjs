// From image files to batches on one core: ours from JPEG files and packed stores, beside torchvision's transforms, in turn.
// Usage: npm run bench -- data --help
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openDevice } from '@s2sam/core';
import { openImages, pack } from '@s2sam/data';
import { QUIET } from './lib/inTurn.mjs';
import { busyShare, describeMachine } from './lib/machine.mjs';
import { findPython, Peer } from './lib/peer.mjs';
import { median, pairedRatio } from './lib/stats.mjs';
import { table } from './lib/table.mjs';

const HELP = `npm run bench -- data [options]
  --images FOLDER   JPEG files of natural size        default $S2SAM_DATA/imagenet-sample
  --rounds N        measurements of each, in turn     default 5
  --json FILE       write everything there
torchvision runs in $S2SAM_PYTHON (default python3).`;

const OPTIONS = {
  images: { type: 'string' },
  rounds: { type: 'string', default: '5' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
};

function imagesFolder(wish) {
  const folder = wish ?? (process.env.S2SAM_DATA && join(process.env.S2SAM_DATA, 'imagenet-sample'));
  if (folder !== undefined && existsSync(folder)) return resolve(folder);
  throw new Error(`there are no images to measure with: give --images FOLDER or set S2SAM_DATA\n${HELP}`);
}

/** A data set of one class with these files, and packed stores of it, below `work`. */
async function prepare(files, work) {
  for (const split of ['train', 'val']) {
    mkdirSync(join(work, 'tree', split, 'all'), { recursive: true });
    for (const [i, file] of files.entries()) symlinkSync(file, join(work, 'tree', split, 'all', `${i}.jpg`));
  }
  const [jpeg, raw] = [join(work, 'jpeg.s2pack'), join(work, 'raw.s2pack')];
  await pack(join(work, 'tree'), jpeg, { resolution: 256, quality: 90 });
  await pack(join(work, 'tree'), raw, { resolution: 256, quality: 'raw' });
  return { files: join(work, 'tree'), jpeg, raw };
}

/** One way of ours: all images of a split once, by one thread. */
class Ours {
  #data;
  #epoch = 0;

  constructor(name, recipe) {
    this.name = name;
    this.recipe = recipe;
    this.seconds = [];
  }

  async open(root) {
    this.#data = await openImages({ root, workers: 1 });
    await this.run(0.2);
  }

  /** Seconds per image. */
  async run(share = 1) {
    const { train } = this.#data;
    const count = Math.max(1, Math.floor(train.size * share));
    const indices = Int32Array.from({ length: count }, (_, i) => i);
    this.into ??= new Uint8Array(train.size * 3 * 224 * 224);
    const into = this.into.subarray(0, count * 3 * 224 * 224);
    const augment = this.recipe === 'test' ? {} : { augment: { seed: 0, epoch: this.#epoch++ } };
    const begin = performance.now();
    await train.read({ indices, height: 224, width: 224, into, ...augment });
    return (performance.now() - begin) / 1000 / count;
  }

  close() {
    this.#data?.[Symbol.dispose]();
  }
}

class Theirs {
  constructor(recipe, peer) {
    this.name = `torchvision ${recipe}`;
    this.recipe = recipe;
    this.peer = peer;
    this.seconds = [];
  }

  async run() {
    return (await this.peer.ask({ recipe: this.recipe })).seconds_per_image;
  }

  close() {}
}

async function contestants(files, work, peer) {
  const roots = await prepare(files, work);
  const ours = [
    [new Ours('s2sam train, JPEG files', 'train'), roots.files],
    [new Ours('s2sam test, JPEG files', 'test'), roots.files],
    [new Ours('s2sam train, packed JPEG', 'train'), roots.jpeg],
    [new Ours('s2sam train, packed raw', 'train'), roots.raw],
  ];
  for (const [one, root] of ours) await one.open(root);
  const theirs = peer === undefined ? [] : ['train', 'train u8', 'test'].map((recipe) => new Theirs(recipe, peer));
  return [...ours.map(([one]) => one), ...theirs];
}

/** Ours over torchvision's of the same recipe, images per second. */
function ratiosOf(all) {
  const theirs = new Map(all.filter((one) => one instanceof Theirs).map((one) => [one.recipe, one]));
  return all.flatMap((one) => {
    const other = theirs.get(one.recipe);
    if (!(one instanceof Ours) || other === undefined) return [];
    return [{ what: `${one.name} / ${other.name}`, ...pairedRatio(other.seconds, one.seconds) }];
  });
}

export async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help) return console.log(HELP);
  const folder = imagesFolder(values.images);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.jpe?g$/i.test(name))
    .map((name) => join(folder, name));
  const work = mkdtempSync(join(tmpdir(), 's2sam-bench-data-'));
  const list = join(work, 'files.txt');
  writeFileSync(list, files.join('\n'));
  const python = findPython();
  const has = python !== undefined && hasTorchvision(python);
  const peer = has ? await Peer.startData(python, list) : undefined;
  if (peer === undefined) console.log('NOT MEASURED: torchvision: no Python with torch and torchvision here');
  const device = await openDevice('cpu');
  let all = [];
  try {
    all = await contestants(files, work, peer);
    for (let round = 0; round < Number(values.rounds); round++) {
      const busy = await busyShare();
      if (busy > QUIET) console.log(`NOT QUIET: other programs use ${(100 * busy).toFixed(0)} % of this machine`);
      for (const one of all) one.seconds.push(await one.run());
    }
    const ratios = ratiosOf(all);
    report(all, ratios, files.length);
    if (values.json === undefined) return;
    const measured = all.map(({ name, recipe, seconds }) => ({
      name,
      recipe,
      secondsPerImage: seconds,
      imagesPerSecond: 1 / median(seconds),
    }));
    const options = { images: files.length, rounds: Number(values.rounds) };
    const result = { benchmark: 'data', ...describeMachine(device), options, rounds: options.rounds };
    const text = JSON.stringify({ ...result, contestants: measured, ratios, peer: peer?.ready }, null, 2);
    writeFileSync(values.json, `${text}\n`);
  } finally {
    for (const one of all) one.close();
    await peer?.close();
    await device[Symbol.asyncDispose]();
    rmSync(work, { recursive: true, force: true });
  }
}

function hasTorchvision(python) {
  try {
    execFileSync(python, [
      '-c',
      'import importlib.util, sys; sys.exit(importlib.util.find_spec("torchvision") is None)',
    ]);
    return true;
  } catch {
    return false;
  }
}

function report(all, ratios, count) {
  const rows = all.map(({ name, seconds }) => [name, (1 / median(seconds)).toFixed(0)]);
  console.log(`\n${count} images, one core\n\n${table(['', 'images per second'], rows)}\n`);
  for (const { what, median: middle, min, max } of ratios) {
    console.log(`${what}: ${middle.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`);
  }
}
