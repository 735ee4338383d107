import { writeFileSync } from 'node:fs';
import { ioError, openDevice } from '@s2sam/core';
import { percent } from '../consumers/lines.js';
import { activationPasses, opMilliseconds } from '../profile/summary.js';
import { choiceTable, layerTable, opTable } from '../profile/tables.js';
import { chromeTrace } from '../profile/trace.js';
import { Workload, type WorkloadOptions } from '../profile/workload.js';
import { textTable } from '../report/table.js';
import type { Output } from '../run/output.js';

/** Options of `s2sam profile`, as the shell gives them. */
export interface ProfileCommand extends WorkloadOptions {
  readonly steps: number;
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

const cpu = (threads: number | undefined) => openDevice('cpu', threads === undefined ? {} : { threads });

/** `s2sam profile`: where the time of a training step goes on the CPU. Resolves with the exit code. */
export async function profileCommand(options: ProfileCommand, output: Output): Promise<number> {
  const { steps, batch } = options;
  await using device = await cpu(options.threads);
  const peaks = await device.measurePeaks();
  using workload = new Workload(device, options);
  for (let i = 0; i < WARMUP_STEPS; i++) await workload.step();
  device.beginProfile();
  const begin = performance.now();
  for (let i = 0; i < steps; i++) await workload.step();
  const stepMs = (performance.now() - begin) / steps;
  const spans = await device.endProfile();

  const passes = activationPasses(spans, steps, workload.convolutionOutputs * batch);
  const inOps = opMilliseconds(spans, steps);
  if (options.trace !== undefined) write(options.trace, chromeTrace(spans));
  if (options.json !== undefined) {
    const { isa, threads, name } = device;
    const machine = { name, isa, threads, peaks };
    const what = { ...options, imageSize: workload.imageSize };
    write(options.json, JSON.stringify({ machine, options: what, stepMs, activationPasses: passes, spans }));
  }
  const { arithmetic, firstLevel, secondLevel, memory } = peaks;
  const image = `${workload.imageSize}x${workload.imageSize}`;
  for (const line of [
    `${options.model}, density ${options.density} (${options.layout}), batch ${batch} of ${image}, ${options.optimizer}`,
    `${device.name}, ${device.isa}, ${device.threads} threads: at most ${arithmetic.toFixed(0)} GFLOP/s on registers, ` +
      `${firstLevel.toFixed(0)} and ${secondLevel.toFixed(0)} fed from first- and second-level cache; memory ${memory.toFixed(1)} GB/s`,
    '',
    ...textTable(layerTable(spans, steps)),
    '',
    ...textTable(opTable(spans, steps, peaks)),
    '',
    `step        ${stepMs.toFixed(1)} ms, ${((1000 * batch) / stepMs).toFixed(1)} images per second; ${percent(1 - inOps / stepMs, 1)} of it outside ops`,
    `activations ${passes.toFixed(2)} passes per step over the outputs of all convolutions, convolutions themselves not counted`,
  ]) {
    output.print(line);
  }
  return 0;
}

/** `s2sam doctor --layers`: how each layer of a training step is computed on this machine. Resolves with the exit code. */
export async function layersCommand(
  options: WorkloadOptions & { readonly threads?: number },
  output: Output,
): Promise<number> {
  await using device = await cpu(options.threads);
  using workload = new Workload(device, options);
  await workload.step();
  for (const line of textTable(choiceTable(device.kernelChoices()))) output.print(line);
  return 0;
}
