// One convolution at a time: ours, dense and at several sparsities, beside PyTorch's (oneDNN's) dense one, in turn on the CPU.
// Usage: npm run bench -- layers --help
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openDevice } from '@s2sam/core';
import { breakEven, LAYERS, OurLayer, PASSES, sumOf } from './lib/layers.mjs';
import { describeMachine } from './lib/machine.mjs';
import { findPython, Peer } from './lib/peer.mjs';
import { median } from './lib/stats.mjs';
import { table } from './lib/table.mjs';

const HELP = `npm run bench -- layers [options]
  --sparsity LIST   beside dense                      default 0.5,0.6,0.8,0.9,0.95,0.98
  --layers TEXT     only those whose name contains it
  --pairs N         measurements of each, in turn     default 5
  --threads N       ours and PyTorch's                default: one per core
  --limit S         begin no further layer after this many seconds
  --json FILE       write everything there
PyTorch runs in $S2SAM_PYTHON (default python3).`;

const OPTIONS = {
  sparsity: { type: 'string', default: '0.5,0.6,0.8,0.9,0.95,0.98' },
  layers: { type: 'string', default: '' },
  pairs: { type: 'string', default: '5' },
  threads: { type: 'string', default: '0' },
  limit: { type: 'string', default: '86400' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
};

const medians = (rounds) => Object.fromEntries(PASSES.map((pass) => [pass, median(rounds.map((one) => one[pass]))]));

/** Milliseconds of each pass, ours at every sparsity and PyTorch's, in turn; medians over the rounds. */
async function measure(device, peer, layer, { sparsities, pairs }) {
  const ours = sparsities.map((sparsity) => ({ sparsity, rounds: [] }));
  const theirs = [];
  const open = ours.map(({ sparsity }) => new OurLayer(device, layer, sparsity));
  try {
    for (const one of open) await one.warmUp();
    for (let pair = 0; pair < pairs; pair++) {
      for (const [i, one] of open.entries()) ours[i].rounds.push(await one.run());
      if (peer !== undefined) theirs.push(await peer.ask({ ...layer, repeats: 1 }));
    }
    const kept = open.map((one) => one.gflop);
    return {
      ours: ours.map(({ sparsity, rounds }, i) => ({ sparsity, gflop: kept[i], ms: medians(rounds) })),
      theirs: peer === undefined ? undefined : medians(theirs),
    };
  } finally {
    for (const one of open) one.close();
  }
}

function describe(layer, { ours, theirs }) {
  const sums = ours.map(({ sparsity, ms }) => ({
    sparsity,
    ms: sumOf(ms),
    ...(theirs === undefined ? {} : { speedup: sumOf(theirs) / sumOf(ms) }),
  }));
  return { ...layer, ours, theirs, sums, breakEven: theirs === undefined ? null : breakEven(sums) };
}

function print(layers, peaks) {
  const rate = (gflop, ms) => ((1000 * gflop) / ms).toFixed(1);
  const rows = layers.flatMap(({ name, ours, theirs, sums }) =>
    ours.map(({ sparsity, gflop, ms }, i) => [
      name,
      sparsity,
      ...PASSES.flatMap((pass) => [ms[pass].toFixed(2), rate(gflop, ms[pass])]),
      `${((100 * 3 * 1000 * gflop) / sums[i].ms / peaks.secondLevel).toFixed(0)} %`,
      theirs === undefined ? '-' : sumOf(theirs).toFixed(2),
      sums[i].speedup?.toFixed(2) ?? '-',
    ]),
  );
  const head = [
    'layer',
    'sparsity',
    ...PASSES.flatMap((pass) => [`${pass} ms`, 'GF/s']),
    'of L2',
    'PyTorch ms',
    'times',
  ];
  console.log(`\n${table(head, rows)}\n`);
  for (const { name, breakEven, theirs } of layers) {
    if (theirs === undefined) continue;
    console.log(
      `${name}: faster than PyTorch ${breakEven === null ? 'nowhere' : `from a sparsity of ${breakEven.toFixed(2)}`}`,
    );
  }
}

export async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help) return console.log(HELP);
  const sparsities = [...new Set([0, ...values.sparsity.split(',').map(Number)])].sort((a, b) => a - b);
  if (sparsities.some((share) => !(share >= 0 && share < 1)) || !(Number(values.pairs) >= 1)) {
    throw new Error(`--sparsity ${values.sparsity} or --pairs ${values.pairs} makes no sense\n${HELP}`);
  }
  const options = { sparsities, pairs: Number(values.pairs), threads: Number(values.threads) };
  const device = await openDevice('cpu', options.threads > 0 ? { threads: options.threads } : {});
  const python = findPython();
  const peer = python && (await Peer.startLayers(python, device.threads));
  if (peer === undefined) console.log('NOT MEASURED: PyTorch: no Python with torch here');
  try {
    const peaks = await device.measurePeaks();
    const deadline = performance.now() + 1000 * Number(values.limit);
    const layers = [];
    for (const layer of LAYERS.filter(({ name }) => name.includes(values.layers))) {
      if (performance.now() > deadline) break;
      layers.push(describe(layer, await measure(device, peer, layer, options)));
      process.stderr.write(`${layer.name}\n`);
    }
    print(layers, peaks);
    if (values.json === undefined) return;
    const result = { benchmark: 'layers', ...describeMachine(device), options, rounds: options.pairs, peaks, layers };
    writeFileSync(values.json, `${JSON.stringify({ ...result, peer: peer?.ready }, null, 2)}\n`);
  } finally {
    await peer?.close();
    await device[Symbol.asyncDispose]();
  }
}
