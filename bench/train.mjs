// Images per second of a training step: ours, and PyTorch's where there is one, in turn on the same machine.
import { writeFileSync } from 'node:fs';
import { openDevice } from '@s2sam/core';
import { measureInTurn, printRatios, printWarnings, reason, roundsOf } from './lib/inTurn.mjs';
import { describeMachine } from './lib/machine.mjs';
import { noiseImages, Ours } from './lib/ours.mjs';
import { startPeers, wordsOf } from './lib/peer.mjs';
import { median, pairedRatio } from './lib/stats.mjs';
import { table } from './lib/table.mjs';
import { LatenessTimer } from './lib/timer.mjs';
import { PEER_FORMS, parseTrainOptions, USAGE } from './lib/trainOptions.mjs';

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

/** PyTorch's program in each of its forms, with each optimizer, for `startPeers`. */
function peersOf(device, { peers, peerOptimizers, model, batch, imageSize, classes, dtype }) {
  const { kind, threads } = device;
  const common = wordsOf({ model, batch, 'image-size': imageSize, classes, dtype, device: kind, threads });
  const precision = dtype === 'f32' ? '' : ` ${dtype}`;
  return peers.flatMap((form) =>
    peerOptimizers.map((optimizer) => ({
      name: `pytorch ${optimizer} dense ${form}${precision}`,
      optimizer,
      program: 'pytorch_train.py',
      args: [...common, '--optimizer', optimizer, ...PEER_FORMS[form]],
    })),
  );
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

function print(result) {
  const { contestants, ratios, timer } = result;
  const rows = contestants.map((one) => [
    one.name,
    one.imagesPerSecond.toFixed(1),
    (one.medianSecondsPerStep * 1000).toFixed(2),
    one.peakMB.toFixed(0),
  ]);
  console.log(`\n${table(['', 'img/s', 'ms/step', 'peak MB'], rows)}`);
  printRatios(ratios);
  if (timer.ticks > 0) {
    console.log(`\nA 10 ms timer while our steps ran: ${timer.p99Ms.toFixed(2)} ms late at the 99th percentile.`);
  }
  printWarnings(result);
}

/** Makes the contestants, measures them, and frees them whatever happens. */
async function compare(device, options) {
  const about = describeMachine(device);
  const unmeasured = [];
  const open = startOurs(device, options, unmeasured);
  try {
    open.push(...(await startPeers(peersOf(device, options), unmeasured)));
    if (open.length === 0) throw new Error(`nothing could be measured: ${unmeasured.map(({ why }) => why).join('; ')}`);
    const timer = new LatenessTimer();
    const isOurs = (one) => one instanceof Ours;
    const otherPrograms = await measureInTurn(open, unmeasured, options, {
      begin: (one) => isOurs(one) && timer.start(),
      end: () => timer.stop(),
    });
    const measured = open.filter(({ failed }) => !failed);
    return {
      benchmark: 'train',
      ...about,
      options,
      otherPrograms,
      rounds: roundsOf(measured),
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
