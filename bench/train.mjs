// Images per second of a training step: ours, and PyTorch's where there is one, in turn on the same machine.
import { writeFileSync } from 'node:fs';
import { openDevice } from '@s2sam/core';
import { busyShare, describeMachine } from './lib/machine.mjs';
import { noiseImages, Ours } from './lib/ours.mjs';
import { findPython, Peer } from './lib/peer.mjs';
import { median, pairedRatio } from './lib/stats.mjs';
import { table } from './lib/table.mjs';
import { LatenessTimer } from './lib/timer.mjs';
import { PEER_FORMS, parseTrainOptions, USAGE } from './lib/trainOptions.mjs';

const WARMUP_STEPS = 3;
/** Fewer rounds than this give no median worth quoting. */
const ENOUGH_ROUNDS = 5;
/** Share of the cores that other programs may use; PyTorch suffers more from them than we do, so ratios would flatter us. */
const QUIET = 0.1;

/** One line of an error's message. */
const reason = (error) => String(error.message ?? error).split('\n')[0];

/** Our runs, one per sparsity and optimizer; what this device cannot do goes to `unmeasured`. */
function startOurs(device, options, unmeasured) {
  const images = noiseImages(options);
  const started = [];
  for (const sparsity of options.sparsities) {
    for (const optimizer of options.optimizers) {
      try {
        started.push(new Ours(device, { ...options, sparsity, optimizer, images }));
      } catch (error) {
        unmeasured.push({ what: `s2sam ${optimizer} at sparsity ${sparsity}`, why: reason(error) });
      }
    }
  }
  return started;
}

async function startPeers(device, options, unmeasured) {
  const { model, batch, imageSize, classes, dtype } = options;
  const peers = options.peers.flatMap((form) => options.peerOptimizers.map((optimizer) => ({ form, optimizer })));
  const python = peers.length === 0 ? undefined : findPython();
  if (python === undefined) {
    const why = `no Python with torch here (S2SAM_PYTHON is ${process.env.S2SAM_PYTHON ?? 'not set'})`;
    unmeasured.push(...peers.map(({ form, optimizer }) => ({ what: `pytorch ${optimizer} ${form}`, why })));
    return [];
  }
  const common = Object.entries({
    model,
    batch,
    'image-size': imageSize,
    classes,
    dtype,
    device: device.kind,
    threads: device.threads,
  }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const precision = dtype === 'f32' ? '' : ` ${dtype}`;
  const started = await Promise.allSettled(
    peers.map(async ({ form, optimizer }) => {
      const args = [...common, '--optimizer', optimizer, ...PEER_FORMS[form]];
      const peer = await Peer.start(`pytorch ${optimizer} dense ${form}${precision}`, python, args);
      return Object.assign(peer, { optimizer });
    }),
  );
  return started.flatMap((outcome, index) => {
    if (outcome.status === 'fulfilled') return [outcome.value];
    const { form, optimizer } = peers[index];
    unmeasured.push({ what: `pytorch ${optimizer} ${form}`, why: reason(outcome.reason) });
    return [];
  });
}

/**
 * Warms every contestant up, then lets each in turn measure itself, `pairs` times over. One that fails is left out from then on.
 * Resolves with the share of the cores that other programs used before each measurement.
 */
async function measure(contestants, timer, unmeasured, { pairs, seconds, limit }) {
  const deadline = performance.now() + 1000 * limit;
  const others = [];
  const attempt = async (one, body) => {
    try {
      await body();
    } catch (error) {
      one.failed = true;
      unmeasured.push({ what: one.name, why: reason(error) });
    }
  };
  for (const one of contestants) {
    one.secondsPerStep = [];
    await attempt(one, async () => {
      await one.run(WARMUP_STEPS);
      one.steps = Math.max(2, Math.ceil(seconds / (await one.run(2))));
    });
  }
  for (let pair = 0; pair < pairs && (pair === 0 || performance.now() < deadline); pair++) {
    for (const one of contestants.filter(({ failed }) => !failed)) {
      others.push(await busyShare());
      if (one instanceof Ours) timer.start();
      await attempt(one, async () => one.secondsPerStep.push(await one.run(one.steps)));
      timer.stop();
    }
    process.stderr.write(`round ${pair + 1} of ${pairs}\n`);
  }
  return { median: median(others), max: Math.max(0, ...others), quiet: Math.max(0, ...others) <= QUIET };
}

/**
 * Speed-ups over the fastest form of PyTorch with SGD, and over the fastest with the same optimizer; what S2-SAM costs over SGD and a
 * mask over none; ratios within rounds.
 */
function ratios(ours, peers) {
  const sorted = peers.toSorted((a, b) => median(a.secondsPerStep) - median(b.secondsPerStep));
  const speedups = ours.flatMap((one) =>
    [...new Set(['sgd', one.optimizer])].flatMap((wanted) => {
      const fastest = sorted.find(({ optimizer }) => optimizer === wanted);
      return fastest === undefined
        ? []
        : [{ what: `${one.name} / ${fastest.name}, images per second`, of: [fastest, one] }];
    }),
  );
  const against = (other, label) => (one) => {
    const base = ours.find((candidate) => candidate !== one && other(one, candidate));
    return base === undefined ? [] : [{ what: `${one.name} / ${label}, step time`, of: [one, base] }];
  };
  const over = (base) => (one, other) => other.optimizer === base && other.sparsity === one.sparsity;
  const costs = [
    ...ours.filter(({ optimizer }) => optimizer !== 'sgd').flatMap(against(over('sgd'), 'sgd')),
    ...ours.filter(({ optimizer }) => optimizer === 'sam').flatMap(against(over('s2sam'), 's2sam')),
  ];
  const masks = ours
    .filter(({ sparsity }) => sparsity !== 0)
    .flatMap(against((one, base) => base.sparsity === 0 && base.optimizer === one.optimizer, 'dense'));
  return [...speedups, ...costs, ...masks].map(({ what, of: [a, b] }) => ({
    what,
    ...pairedRatio(a.secondsPerStep, b.secondsPerStep),
  }));
}

function print({ contestants, ratios, timer, otherPrograms, unmeasured, rounds }) {
  const rows = contestants.map((one) => [
    one.name,
    one.imagesPerSecond.toFixed(1),
    (one.medianSecondsPerStep * 1000).toFixed(2),
    one.peakMB.toFixed(0),
  ]);
  console.log(`\n${table(['', 'img/s', 'ms/step', 'peak MB'], rows)}`);
  const lines = ratios.map((one) => [one.what, one.median.toFixed(3), one.min.toFixed(3), one.max.toFixed(3)]);
  if (lines.length > 0) console.log(`\n${table(['ratio', 'median', 'min', 'max'], lines)}`);
  if (timer.ticks > 0) {
    console.log(`\nA 10 ms timer while our steps ran: ${timer.p99Ms.toFixed(2)} ms late at the 99th percentile.`);
  }
  for (const { what, why } of unmeasured) console.log(`NOT MEASURED: ${what}: ${why}`);
  if (rounds < ENOUGH_ROUNDS) console.log(`\nONLY ${rounds} ROUNDS: too few for medians to be quoted.`);
  if (!otherPrograms.quiet) {
    const percent = (100 * otherPrograms.max).toFixed(0);
    console.log(`\nNOT QUIET: other programs used up to ${percent} % of the cores. These figures are worth nothing.`);
  }
}

/** Makes the contestants, measures them, and frees them whatever happens. */
async function compare(device, options) {
  const about = describeMachine(device);
  const unmeasured = [];
  const open = startOurs(device, options, unmeasured);
  try {
    open.push(...(await startPeers(device, options, unmeasured)));
    if (open.length === 0) throw new Error(`nothing could be measured: ${unmeasured.map(({ why }) => why).join('; ')}`);
    const timer = new LatenessTimer();
    const otherPrograms = await measure(open, timer, unmeasured, options);
    const measured = open.filter(({ failed }) => !failed);
    const isOurs = (one) => one instanceof Ours;
    return {
      benchmark: 'train',
      ...about,
      options,
      otherPrograms,
      rounds: Math.max(0, ...measured.map(({ secondsPerStep }) => secondsPerStep.length)),
      contestants: measured.map(({ name, steps, secondsPerStep, peakMB, ready }) => {
        const medianSecondsPerStep = median(secondsPerStep);
        const imagesPerSecond = options.batch / medianSecondsPerStep;
        return { name, imagesPerSecond, medianSecondsPerStep, peakMB, steps, secondsPerStep, ready };
      }),
      ratios: ratios(
        measured.filter(isOurs),
        measured.filter((one) => !isOurs(one)),
      ),
      unmeasured,
      memory: device.memory(),
      timer: timer.summary(),
    };
  } finally {
    for (const one of open) await one.close();
  }
}

export async function run(args) {
  const parsed = parseTrainOptions(args);
  if (parsed === undefined) {
    console.log(USAGE);
    return;
  }
  const { options, json } = parsed;
  const device = await openDevice(options.device, options.threads > 0 ? { threads: options.threads } : {});
  try {
    const result = await compare(device, options);
    print(result);
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await device[Symbol.asyncDispose]();
  }
}
