import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Classifier,
  type Device,
  type OptimizerState,
  openDevice,
  type Parameter,
  type Tensor,
} from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingFromPython } from './support/python.js';

interface OurPhase {
  readonly model: Classifier;
  readonly state: OptimizerState;
  readonly parameters: readonly { shape: readonly number[]; density: number }[];
  drawGradient(step: number): void;
  close(): void;
}
interface Bench {
  readonly OurPhase: new (device: Device, options: object) => OurPhase;
}
const { OurPhase } = (await import(new URL('../bench/lib/optimizer.mjs', import.meta.url).href)) as Bench;
const program = fileURLToPath(new URL('../bench/peers/pytorch_optimizer.py', import.meta.url));
const what = 'the optimizers that are timed beside ours';
const missing = missingFromPython(what, 'torch', 'numpy');

const STEPS = 4;

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice('cpu');
  folder = mkdtempSync(join(tmpdir(), 's2sam-optimizer-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await device[Symbol.asyncDispose]();
});

/** One tensor of every parameter, one after the other, without the gaps between them. */
async function row({ model }: OurPhase, tensorOf: (parameter: Parameter) => Tensor): Promise<number[]> {
  const parts = await Promise.all(model.arena.parameters.map((parameter) => tensorOf(parameter).toArray()));
  return parts.flatMap((part) => Array.from(part as Float32Array));
}

/** Largest difference, as a share of the largest value. */
function difference(actual: readonly number[], expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const gaps = actual.map((value, i) => Math.abs(value - (expected[i] as number)));
  return gaps.some(Number.isNaN) ? Number.NaN : gaps.reduce((most, gap) => Math.max(most, gap), 0) / largest;
}

describe.skipIf(missing !== undefined)(`${what} end with the same weights`, () => {
  it.each(['per-tensor', 'foreach'])('%s, on the same gradients', async (form) => {
    const options = {
      model: 'resnet20',
      classes: 10,
      sparsity: 0.9,
      layout: 'uniform',
      optimizer: 's2sam',
      dtype: 'f32',
    };
    const ours = new OurPhase(device, options);
    try {
      const rows = [await row(ours, ({ value }) => value)];
      for (let step = 0; step < STEPS; step++) {
        ours.drawGradient(step);
        rows.push(await row(ours, ({ gradient }) => gradient));
        ours.state.step();
      }
      const file = join(folder, form);
      writeFileSync(file, Float32Array.from(rows.flat()));
      const parameters = JSON.stringify(ours.parameters);
      execFileSync(process.env.S2SAM_PYTHON as string, [
        program,
        '--parameters',
        parameters,
        '--form',
        form,
        '--check',
        file,
      ]);

      const theirs = Array.from(new Float32Array(new Uint8Array(readFileSync(file)).buffer));
      const count = theirs.length / 2;
      const perturbed = await row(ours, ({ storage }) => storage.working);
      const plain = await row(ours, ({ value }) => value);
      expect(difference(plain, perturbed)).toBeGreaterThan(1e-4);
      expect(difference(plain, rows[0] as number[])).toBeGreaterThan(1e-2);
      expect(difference(perturbed, theirs.slice(0, count))).toBeLessThan(1e-6);
      expect(difference(plain, theirs.slice(count))).toBeLessThan(1e-6);
    } finally {
      ours.close();
    }
  });
});
