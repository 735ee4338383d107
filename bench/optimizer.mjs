// The optimizer's part of a training step alone: ours and PyTorch's over the same parameters, in turn on the same machine.
// Usage: npm run bench -- optimizer --help
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openDevice } from '@s2sam/core';
import { measureInTurn, printRatios, printWarnings, reason, roundsOf } from './lib/inTurn.mjs';
import { describeMachine } from './lib/machine.mjs';
import { OurPhase, peersFor } from './lib/optimizer.mjs';
import { COMMON_OPTIONS, COMMON_USAGE, checker, commonOptions } from './lib/options.mjs';
import { nameOf } from './lib/ours.mjs';
import { startPeers } from './lib/peer.mjs';
import { median, pairedRatio } from './lib/stats.mjs';
import { table } from './lib/table.mjs';

const USAGE = `npm run bench -- optimizer [options]
${COMMON_USAGE}`;

/** Our phases, and PyTorch's where ours tell what parameters there are; what cannot be started goes to `unmeasured`. */
async function start(device, options, unmeasured, open) {
  for (const sparsity of options.sparsities) {
    for (const optimizer of ['s2sam', 'sgd']) {
      try {
        open.push(new OurPhase(device, { ...options, sparsity, optimizer }));
      } catch (error) {
        unmeasured.push({ what: nameOf(`s2sam ${optimizer}`, { ...options, sparsity }), why: reason(error) });
      }
    }
  }
  const { layout } = options;
  const models = open.filter(({ form }) => form === 'sgd');
  const wanted = models.flatMap(({ parameters, sparsity }) => peersFor(device, { parameters, sparsity, layout }));
  open.push(...(await startPeers(wanted, unmeasured)));
}

/** How much faster we are than each form of PyTorch that does the same, and what S2-SAM costs over SGD on both sides. */
function ratios(contestants) {
  const others = (one, fits) => contestants.filter((other) => other.sparsity === one.sparsity && fits(other));
  const kind = ({ form }) => (form === 'sgd' ? 'sgd' : 's2sam');
  return contestants.flatMap((one) => {
    const rivals = others(one, (other) => one.side === 'ours' && other.side !== 'ours' && kind(other) === kind(one));
    const plain = others(one, (other) => other.side === one.side && other.form === 'sgd' && one.form !== 'sgd');
    return [
      ...rivals.map((other) => ({ what: `${one.name} / ${other.name}, times as fast`, of: [other, one] })),
      ...plain.map((other) => ({ what: `${one.name} / sgd, step time`, of: [one, other] })),
    ].map(({ what, of: [a, b] }) => ({ what, ...pairedRatio(a.secondsPerStep, b.secondsPerStep) }));
  });
}

function print(result) {
  const rows = result.contestants.map((one) => [
    one.name,
    (1e6 * one.medianSecondsPerStep).toFixed(1),
    one.bytesPerParameter.toFixed(2),
    one.gigabytesPerSecond.toFixed(1),
  ]);
  console.log(`\n${result.parameters} parameters\n`);
  console.log(table(['', 'us/step', 'bytes/parameter', 'GB/s'], rows));
  printRatios(result.ratios);
  printWarnings(result);
}

const parameterCount = ({ model }) => model.arena.parameters.reduce((sum, { size }) => sum + size, 0);

/** Makes the contestants, measures them, and frees them whatever happens. */
async function compare(device, options) {
  const about = describeMachine(device);
  const unmeasured = [];
  const open = [];
  try {
    await start(device, options, unmeasured, open);
    if (open.length === 0) throw new Error(`nothing could be measured: ${unmeasured.map(({ why }) => why).join('; ')}`);
    const parameters = parameterCount(open[0]);
    const otherPrograms = await measureInTurn(open, unmeasured, options);
    const measured = open.filter(({ failed }) => !failed);
    return {
      benchmark: 'optimizer',
      ...about,
      options,
      otherPrograms,
      rounds: roundsOf(measured),
      parameters,
      contestants: measured.map(({ name, bytesPerParameter, steps, secondsPerStep, ready }) => {
        const medianSecondsPerStep = median(secondsPerStep);
        const gigabytesPerSecond = (bytesPerParameter * parameters) / medianSecondsPerStep / 1e9;
        return { name, medianSecondsPerStep, bytesPerParameter, gigabytesPerSecond, steps, secondsPerStep, ready };
      }),
      ratios: ratios(measured),
      unmeasured,
    };
  } finally {
    for (const one of open) await one.close();
  }
}

export async function run(args) {
  const { values } = parseArgs({ args, options: COMMON_OPTIONS });
  if (values.help) return console.log(USAGE);
  const options = commonOptions(values, checker(values, USAGE));
  const device = await openDevice(options.device, options.threads > 0 ? { threads: options.threads } : {});
  try {
    const result = await compare(device, options);
    print(result);
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await device[Symbol.asyncDispose]();
  }
}
