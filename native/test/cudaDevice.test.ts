import { execFileSync, spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceHandle, NativeBinding } from '../lib/binding.js';
import { emulatedMissing, loadEmulated } from './support/emulated.js';

const program = fileURLToPath(new URL('./fixtures/emulated-device.mjs', import.meta.url));

/** What the program says, with the emulated device failing as `env` says. */
function run<T>(what: string, env: Record<string, string>): T {
  const output = execFileSync(process.execPath, [program, what], { env: { ...process.env, ...env }, encoding: 'utf8' });
  return JSON.parse(output) as T;
}

interface Failures {
  readonly errors: string[];
  readonly close: string;
}

describe.skipIf(emulatedMissing !== '')(
  `a CUDA device${emulatedMissing && ` (skipped: ${emulatedMissing})`} that fails`,
  () => {
    // Kernel 1 fills the tensor with zeros; each doubling is one more.
    it('says what it died of, ever after, and lets the process go on', () => {
      const { errors, close } = run<Failures>('fail', { S2SAM_EMULATED_FAILURE: '3' });
      expect(errors[0]).toBe('');
      expect(errors[1]).toMatch(/^ERR_INTERNAL .*cudaErrorIllegalAddress/);
      for (const error of errors.slice(2)) {
        expect(error).toMatch(
          /^ERR_INTERNAL .*cudaErrorIllegalAddress.*cannot be used any more by this process.*S2SAM_SYNC=1/,
        );
      }
      expect(close).toBe('');
    });

    it('names the op that failed, with S2SAM_SYNC=1', () => {
      const { errors } = run<Failures>('fail', { S2SAM_EMULATED_FAILURE: '3', S2SAM_SYNC: '1' });
      expect(errors[0]).toBe('');
      for (const error of errors.slice(1)) expect(error).toMatch(/^ERR_INTERNAL affine: .*cudaErrorIllegalAddress/);
    });

    it('computes without engines that do not work, and says why they do not', () => {
      const cache = { S2SAM_CACHE: mkdtempSync(join(tmpdir(), 's2sam-choices-')) };
      interface Told {
        readonly first: number;
        readonly kernel: string;
        readonly refused: readonly { kernel: string; why: string }[];
      }
      const fine = run<Told>('refuse', { ...cache, S2SAM_CUDA_CONV: '' });
      expect(fine).toMatchObject({ first: 0, kernel: expect.stringMatching(/^cudnn:/) });
      const told = run<Told>('refuse', { ...cache, S2SAM_CUDA_CONV: '', S2SAM_EMULATED_CUDNN: 'fails' });
      expect(told).toMatchObject({ first: 0, kernel: 'direct' });
      expect(told.refused.map(({ kernel }) => kernel)).toContainEqual(expect.stringMatching(/^cudnn:/));
      expect(told.refused.length).toBeGreaterThan(fine.refused.length);
      const reasons = told.refused.map(({ why }) => why);
      expect(reasons).toContainEqual(expect.stringMatching(/cudnnBackendExecute says/));
      rmSync(cache.S2SAM_CACHE, { recursive: true });
    });

    it('may be one of two that are used in turn', () => {
      expect(run<{ values: number[] }>('two', { S2SAM_EMULATED_DEVICES: '2' })).toEqual({ values: [2, 4] });
    });

    it('is not asked for what cuSPARSE would refuse with a line on stderr', () => {
      const env = { ...process.env, S2SAM_CUDA_CONV: 'sparse' };
      const { stdout, stderr } = spawnSync(process.execPath, [program, 'skip'], { env, encoding: 'utf8' });
      expect(stderr).toBe('');
      const { kernels } = JSON.parse(stdout) as { kernels: string[] };
      expect(kernels).toContain('sparse');
      expect(kernels).toContain('gemm'); // bf16, weights
    });

    it('that has too little memory says how much was asked for, held and allowed, and serves what fits', () => {
      const { error, same, first } = run<{ error: string; same: boolean; first: number }>('exhaust', {
        S2SAM_EMULATED_MEMORY: String(64 << 20),
      });
      expect(error).toMatch(/^ERR_OUT_OF_MEMORY create: asked for 1073741824 bytes.*smaller batch/);
      expect(same).toBe(true);
      expect(first).toBe(3);
    });
  },
);

describe.skipIf(emulatedMissing !== '')(
  `a recorded step on a CUDA device${emulatedMissing && ` (skipped: ${emulatedMissing})`}`,
  () => {
    let native: NativeBinding;
    let device: DeviceHandle;
    beforeAll(() => {
      native = loadEmulated([]);
      device = native.openDevice(0, 0);
    });
    afterAll(() => native.closeDevice(device));

    it('takes no more memory after a thousand replays than after one', async () => {
      const y = native.create(device, 'f32', [300], false);
      const x = native.create(device, 'f32', [300], false);
      native.fill(x, 1);
      native.captureBegin(device);
      const doubled = native.affine(x, 2, 0);
      native.addInto(doubled, 1, y);
      native.dispose(doubled);
      const graph = native.captureEnd(device);
      native.replay(graph);
      await native.synchronize(device);
      const once = native.memory(device);
      for (let i = 1; i < 1000; i++) {
        native.replay(graph);
        if (i % 100 === 0) await native.read(y);
      }
      expect(await native.read(y)).toEqual(new Float32Array(300).fill(2000));
      expect(native.memory(device)).toEqual(once);
      native.disposeGraph(graph);
      for (const tensor of [x, y]) native.dispose(tensor);
    });

    it('takes large data in pieces', async () => {
      const size = 2 * (64 << 20) + 5;
      const bytes = randomFillSync(new Uint8Array(size));
      const x = native.create(device, 'u8', [size], false);
      native.write(x, bytes);
      expect(Buffer.compare((await native.read(x)) as Uint8Array, bytes)).toBe(0);
      native.dispose(x);
    });

    it('refuses what would wait for the device, and can be given up', async () => {
      const x = native.create(device, 'f32', [4], false);
      native.captureBegin(device);
      native.fill(x, 5);
      expect(() => native.read(x)).toThrow(/nothing runs while a step is recorded/);
      native.captureAbort(device);
      expect(await native.read(x)).toEqual(new Float32Array(4));
      native.dispose(x);
    });

    it('finds out which label was wrong, in the words of the CPU', async () => {
      const logits = native.create(device, 'f32', [3, 4], false);
      const labels = native.create(device, 'i32', [3], false);
      native.write(labels, Int32Array.of(0, 4, -1));
      const results = native.softmaxCrossEntropy(logits, labels, 0);
      await expect(native.synchronize(device)).rejects.toThrow(
        'softmaxCrossEntropy: labels[1] is 4, but must be at least 0 and less than 4',
      );
      await native.synchronize(device);
      for (const tensor of [logits, labels, ...results]) native.dispose(tensor);
    });
  },
);
