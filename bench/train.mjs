// Images per second of a training step: ours, and PyTorch's where there is one, in turn on the same machine.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { modelNames, openDevice } from '@s2sam/core';
import { busyShare, describeMachine } from './lib/machine.mjs';
import { Ours, optimizerNames } from './lib/ours.mjs';
import { findPython, Peer } from './lib/peer.mjs';
import { median, pairedRatio } from './lib/stats.mjs';
import { table } from './lib/table.mjs';
import { LatenessTimer } from './lib/timer.mjs';

const USAGE = `npm run bench -- train [options]
  --device NAME         cpu, cuda, cuda:N, auto                 default cpu
  --model NAME          ${modelNames.join(', ')}   default resnet32
  --batch N             images per step                         default 128
  --sparsity LIST       of our runs, with ERK layout            default 0,0.9
  --optimizer LIST      ${optimizerNames.join(', ')}; of our runs         default sgd,s2sam
  --peer LIST           forms of PyTorch (SGD, dense): nchw, channels-last, compile; or none
                                                                default nchw,channels-last
  --pairs N             measurements of each, in turn, >= 1     default 5
  --seconds S           least length of one measurement         default 2
  --json FILE           write everything there
PyTorch runs in $S2SAM_PYTHON (default python3), and is left out where that has no torch.`;

const PEER_FORMS = { nchw: [], 'channels-last': ['--channels-last'], compile: ['--channels-last', '--compile'] };
const WARMUP_STEPS = 3;
/** Share of the cores that other programs may use; PyTorch suffers more from them than we do, so ratios would flatter us. */
const QUIET = 0.1;

const OPTIONS = {
  device: { type: 'string', default: 'cpu' },
  model: { type: 'string', default: 'resnet32' },
  batch: { type: 'string', default: '128' },
  sparsity: { type: 'string', default: '0,0.9' },
  optimizer: { type: 'string', default: 'sgd,s2sam' },
  peer: { type: 'string', default: 'nchw,channels-last' },
  pairs: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '2' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
};

/** Options with their types, checked, and where to write the result. Throws an Error that says what is wrong. */
function parse(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const list = (text) => text.split(',').filter((word) => word !== '');
  const options = {
    device: values.device,
    model: values.model,
    batch: Number(values.batch),
    sparsities: list(values.sparsity).map(Number),
    optimizers: list(values.optimizer),
    peers: values.peer === 'none' ? [] : list(values.peer),
    pairs: Number(values.pairs),
    seconds: Number(values.seconds),
  };
  const check = (ok, name) => {
    if (!ok) throw new Error(`--${name} ${values[name]} makes no sense\n${USAGE}`);
  };
  check(Number.isInteger(options.batch) && options.batch > 0, 'batch');
  check(Number.isInteger(options.pairs) && options.pairs > 0, 'pairs');
  check(options.seconds > 0, 'seconds');
  check(options.sparsities.length > 0 && options.sparsities.every((share) => share >= 0 && share < 1), 'sparsity');
  check(
    options.optimizers.length > 0 && options.optimizers.every((name) => optimizerNames.includes(name)),
    'optimizer',
  );
  check(
    options.peers.every((form) => form in PEER_FORMS),
    'peer',
  );
  return { options, json: values.json };
}

async function startPeers({ peers, model, batch, device }) {
  if (peers.length === 0) return [];
  const python = findPython();
  if (python === undefined) {
    console.log('PyTorch: left out, no Python with torch here (set S2SAM_PYTHON).');
    return [];
  }
  const common = [
    '--model',
    model,
    '--batch',
    String(batch),
    '--device',
    device.kind,
    '--threads',
    String(device.threads),
  ];
  return Promise.all(
    peers.map((form) => Peer.start(`pytorch sgd dense ${form}`, python, [...common, ...PEER_FORMS[form]])),
  );
}

/**
 * Warms every contestant up, then lets each in turn measure itself, `pairs` times over. Resolves with the share of the cores
 * that other programs used before each measurement.
 */
async function measure(contestants, timer, { pairs, seconds }) {
  for (const one of contestants) {
    await one.run(WARMUP_STEPS);
    one.steps = Math.max(2, Math.ceil(seconds / (await one.run(2))));
    one.secondsPerStep = [];
  }
  const others = [];
  for (let pair = 0; pair < pairs; pair++) {
    for (const one of contestants) {
      others.push(await busyShare());
      if (one instanceof Ours) timer.start();
      one.secondsPerStep.push(await one.run(one.steps));
      timer.stop();
    }
    process.stderr.write(`pair ${pair + 1} of ${pairs}\n`);
  }
  return { median: median(others), max: Math.max(...others), quiet: Math.max(...others) <= QUIET };
}

/** Speed-ups over the fastest form of PyTorch, and what S2-SAM costs over SGD; ratios of measurements of the same pair. */
function ratios(ours, peers) {
  const fastest = peers.toSorted((a, b) => median(a.secondsPerStep) - median(b.secondsPerStep))[0];
  const speedups = ours.flatMap((one) =>
    fastest === undefined ? [] : [{ what: `${one.name} / ${fastest.name}, images per second`, of: [fastest, one] }],
  );
  const costs = ours.flatMap((one) => {
    const sgd = ours.find((other) => other.optimizer === 'sgd' && other.sparsity === one.sparsity);
    return one.optimizer === 'sgd' || sgd === undefined
      ? []
      : [{ what: `${one.name} / sgd, step time`, of: [one, sgd] }];
  });
  return [...speedups, ...costs].map(({ what, of: [a, b] }) => ({
    what,
    ...pairedRatio(a.secondsPerStep, b.secondsPerStep),
  }));
}

function print({ contestants, ratios, timer, otherPrograms }) {
  const rows = contestants.map((one) => [
    one.name,
    one.imagesPerSecond.toFixed(1),
    (one.medianSecondsPerStep * 1000).toFixed(1),
  ]);
  console.log(`\n${table(['', 'img/s', 'ms/step'], rows)}`);
  const lines = ratios.map((one) => [one.what, one.median.toFixed(3), one.min.toFixed(3), one.max.toFixed(3)]);
  if (lines.length > 0) console.log(`\n${table(['ratio', 'median', 'min', 'max'], lines)}`);
  console.log(`\nA 10 ms timer while our steps ran: ${timer.p99Ms.toFixed(2)} ms late at the 99th percentile.`);
  if (!otherPrograms.quiet) {
    const percent = (100 * otherPrograms.max).toFixed(0);
    console.log(`\nNOT QUIET: other programs used up to ${percent} % of the cores. These figures are worth nothing.`);
  }
}

/** Makes the contestants, measures them, and frees them whatever happens. */
async function compare(device, options) {
  const about = describeMachine(device);
  const { model, batch } = options;
  const open = [];
  try {
    for (const sparsity of options.sparsities) {
      for (const optimizer of options.optimizers)
        open.push(await Ours.start(device, { model, batch, sparsity, optimizer }));
    }
    const ours = [...open];
    open.push(...(await startPeers({ ...options, device })));
    const timer = new LatenessTimer();
    const otherPrograms = await measure(open, timer, options);
    const contestants = open.map(({ name, steps, secondsPerStep, ready }) => {
      const medianSecondsPerStep = median(secondsPerStep);
      return {
        name,
        imagesPerSecond: batch / medianSecondsPerStep,
        medianSecondsPerStep,
        steps,
        secondsPerStep,
        ready,
      };
    });
    const peers = open.slice(ours.length);
    return {
      benchmark: 'train',
      ...about,
      options,
      otherPrograms,
      contestants,
      ratios: ratios(ours, peers),
      timer: timer.summary(),
    };
  } finally {
    for (const one of open) await one.close();
  }
}

export async function run(args) {
  if (args.includes('--help')) {
    console.log(USAGE);
    return;
  }
  const { options, json } = parse(args);
  const device = await openDevice(options.device);
  try {
    const result = await compare(device, options);
    print(result);
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await device[Symbol.asyncDispose]();
  }
}
