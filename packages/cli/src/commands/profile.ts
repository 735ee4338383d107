import { writeFileSync } from 'node:fs';
import { type Device, type DeviceWish, ioError, openDevice } from '@s2sam/core';
import type { MachinePeaks, ProfileSpan } from '@s2sam/native';
import { percent } from '../consumers/lines.js';
import { activationPasses, limitsOf, opMilliseconds } from '../profile/summary.js';
import { choiceTable, layerTable, opTable, refusalLines } from '../profile/tables.js';
import { chromeTrace } from '../profile/trace.js';
import { Workload, type WorkloadOptions } from '../profile/workload.js';
import { textTable } from '../report/table.js';
import type { Output } from '../run/output.js';

/** Options of `s2sam profile`, as the shell gives them. */
export interface ProfileCommand extends WorkloadOptions {
  readonly steps: number;
  readonly device?: DeviceWish;
  readonly threads?: number;
  readonly trace?: string;
  readonly json?: string;
}

/** Kernels are chosen in the first step; memory is in place after the second. */
const WARMUP_STEPS = 3;

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw ioError('profile', path, error);
  }
}

/** The output names it, so nothing else has to. */
const open = ({ device, threads = 0 }: Pick<ProfileCommand, 'device' | 'threads'>): Promise<Device> =>
  openDevice(device, { threads, notify: () => {} });

/** Milliseconds of a step, each awaited before the next. */
async function timeSteps(workload: Workload, steps: number): Promise<number> {
  for (let i = 0; i < WARMUP_STEPS; i++) await workload.step();
  const begin = performance.now();
  for (let i = 0; i < steps; i++) await workload.step();
  return (performance.now() - begin) / steps;
}

/** The ops of so many steps. On CUDA they are recorded anew, since a recorded step is timed only if it was recorded to be. */
async function spansOf(workload: Workload, steps: number): Promise<ProfileSpan[]> {
  const { device } = workload;
  device.beginProfile();
  workload.forget();
  await workload.step();
  device.beginProfile();
  for (let i = 0; i < steps; i++) await workload.step();
  return device.endProfile();
}

function describePeaks({ arithmetic, halfArithmetic, firstLevel, secondLevel, memory }: MachinePeaks): string {
  const caches =
    firstLevel === undefined || secondLevel === undefined
      ? ''
      : `, ${firstLevel.toFixed(0)} and ${secondLevel.toFixed(0)} fed from first- and second-level cache`;
  const half = halfArithmetic === undefined ? '' : `, ${halfArithmetic.toFixed(0)} in 16 bit`;
  return `at most ${arithmetic.toFixed(0)} GFLOP/s in f32${half}${caches}; memory ${memory.toFixed(1)} GB/s`;
}

const describeDevice = ({ kind, name, isa, threads }: Device): string =>
  kind === 'cuda' ? `${name}, ${isa}` : `${name}, ${isa}, ${threads} threads`;

/** `s2sam profile`: where the time of a training step goes. Resolves with the exit code. */
export async function profileCommand(options: ProfileCommand, output: Output): Promise<number> {
  const { steps, batch, dtype = 'f32' } = options;
  await using device = await open(options);
  const peaks = await device.measurePeaks();
  const limits = limitsOf(peaks, dtype);
  using workload = new Workload(device, options);
  const stepMs = await timeSteps(workload, steps);
  const spans = await spansOf(workload, steps);

  const passes = activationPasses(spans, steps, workload.convolutionOutputs * batch, dtype);
  const inOps = opMilliseconds(spans, steps);
  if (options.trace !== undefined) write(options.trace, chromeTrace(spans));
  if (options.json !== undefined) {
    const { isa, threads, name } = device;
    const machine = { name, isa, threads, peaks };
    const what = { ...options, imageSize: workload.imageSize };
    write(options.json, JSON.stringify({ machine, options: what, stepMs, activationPasses: passes, spans }));
  }
  const image = `${workload.imageSize}x${workload.imageSize}`;
  const ops =
    device.kind === 'cuda'
      ? `${inOps.toFixed(1)} ms of ops when each is timed`
      : `${percent(1 - inOps / stepMs, 1)} of it outside ops`;
  for (const line of [
    `${options.model}, density ${options.density} (${options.layout}), batch ${batch} of ${image}, ${options.optimizer}, ${dtype}`,
    `${describeDevice(device)}: ${describePeaks(peaks)}`,
    '',
    ...textTable(layerTable(spans, steps, limits)),
    '',
    ...textTable(opTable(spans, steps, limits)),
    '',
    `step        ${stepMs.toFixed(1)} ms, ${((1000 * batch) / stepMs).toFixed(1)} images per second; ${ops}`,
    `activations ${passes.toFixed(2)} passes per step over the outputs of all convolutions, convolutions themselves not counted`,
  ]) {
    output.print(line);
  }
  return 0;
}

/** `s2sam doctor --layers`: how each layer of a training step is computed on this machine. Resolves with the exit code. */
export async function layersCommand(
  options: WorkloadOptions & Pick<ProfileCommand, 'device' | 'threads'>,
  output: Output,
): Promise<number> {
  await using device = await open(options);
  using workload = new Workload(device, options);
  await workload.step();
  const choices = device.kernelChoices();
  for (const line of [...textTable(choiceTable(choices)), ...refusalLines(choices)]) output.print(line);
  return 0;
}
