import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readSafetensors } from '@s2sam/core';
import { afterAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 's2sam-examples-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a compiled example as a user would; rejects when it ends with an error. */
async function runExample(name: string, ...args: string[]): Promise<string> {
  const program = fileURLToPath(new URL(`../examples/dist/${name}.js`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], { cwd: folder });
  return stdout;
}

const numberAfter = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1]);

describe('examples', () => {
  it('train-cifar trains, tests and saves on made-up images', { timeout: 300_000 }, async () => {
    const checkpoint = join(folder, 'model.safetensors');
    const output = await runExample('train-cifar', '--dataset', 'procedural', '--steps', '3', '--save', checkpoint);
    // Of 1,860,522 parameters, 1,855,584 are weights (batch norm and the bias of the classifier are not masked).
    const alive = numberAfter(output, /(\d+) of 1860522 parameters are alive/);
    expect((alive - (1860522 - 1855584)) / 1855584).toBeCloseTo(0.1, 4);
    expect(numberAfter(output, /test accuracy (\S+) %/)).toBeGreaterThan(0);
    const { tensors } = await readSafetensors(checkpoint);
    expect(tensors.get('conv1.weight')?.shape).toEqual([32, 3, 3, 3]);
  });

  it('own-strategy keeps its number of weights while its masks move', { timeout: 300_000 }, async () => {
    const output = await runExample('own-strategy', '--steps', '9');
    const masks = [...output.matchAll(/step (\d+) {2}(\d+) weights {2}masks ([0-9a-f]{16})/g)];
    expect(masks.map(([, step]) => step)).toEqual(['4', '8']);
    expect(new Set(masks.map(([, , kept]) => kept)).size).toBe(1);
    expect(new Set(masks.map(([, , , checksum]) => checksum)).size).toBe(2);
  });
});
