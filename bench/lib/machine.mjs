import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where and with what a result was measured. `device`: a device of @s2sam/core; left out where none was opened. */
export function describeMachine(device) {
  const { version } = JSON.parse(readFileSync(new URL('../../packages/core/package.json', import.meta.url), 'utf8'));
  return {
    date: new Date().toISOString(),
    command: commandLine(process.argv.slice(2)),
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
      ...(device === undefined ? {} : describeDevice(device)),
    },
    versions: { s2sam: version, commit: commit(), node: process.version, build: device?.native.info().build },
  };
}

/** How to do it again; where the result was written does not belong to it. */
function commandLine(words) {
  const json = words.indexOf('--json');
  const kept = words.filter(
    (word, i) => word !== '--built' && word !== '--' && (json < 0 || (i !== json && i !== json + 1)),
  );
  return ['npm run bench --', ...kept].join(' ');
}

const describeDevice = ({ kind, name, isa, threads }) => ({
  device: { kind, name, isa, threads },
  ...(kind === 'cuda' ? { gpu: describeGpu() } : {}),
});

const cpuTimes = () =>
  cpus().reduce(
    ({ busy, all }, { times: { user, nice, sys, idle, irq } }) => ({
      busy: busy + user + nice + sys + irq,
      all: all + user + nice + sys + irq + idle,
    }),
    { busy: 0, all: 0 },
  );

/** Share of all cores that is in use, 0..1. Asked while every contestant waits, it is what other programs take. */
export async function busyShare(milliseconds = 500) {
  const before = cpuTimes();
  await sleep(milliseconds);
  const after = cpuTimes();
  return (after.busy - before.busy) / Math.max(1, after.all - before.all);
}

/** What the driver's own tool says of the GPU; empty where it is not there. */
export function describeGpu() {
  const fields = [
    'name',
    'driver_version',
    'memory.total',
    'power.limit',
    'clocks.max.sm',
    'clocks.max.memory',
    'ecc.mode.current',
  ];
  try {
    const query = ['--id=0', `--query-gpu=${fields}`, '--format=csv,noheader'];
    const values = execFileSync('nvidia-smi', query, { encoding: 'utf8' }).trim().split(', ');
    return Object.fromEntries(fields.map((field, index) => [field, values[index]]));
  } catch {
    return {};
  }
}

/** S2SAM_COMMIT says it where the checkout has no history. */
function commit() {
  if (process.env.S2SAM_COMMIT) return process.env.S2SAM_COMMIT;
  const git = (...args) => execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' with changes');
  } catch {
    return 'unknown';
  }
}
