import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { DisposedError, loadCpu, S2Error } from '../lib/index.js';

const native = loadCpu();
const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const open = () => {
  const device = native.openDevice(0, 2);
  return { device, x: native.create(device, 'f32', [64, 64], false) };
};

describe('waiting', () => {
  it('rejects with the first error a command met, once', async () => {
    const { device } = open();
    const [logits, labels] = [native.create(device, 'f32', [2, 3], false), native.create(device, 'i32', [2], false)];
    native.write(labels, Int32Array.of(0, 99));
    native.softmaxCrossEntropy(logits, labels, 0);
    const error = await native.synchronize(device).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(S2Error);
    expect((error as S2Error).message).toMatch(/99/);
    await expect(native.synchronize(device)).resolves.toBeUndefined();
    native.closeDevice(device);
  });

  it('hands an error to a read as well', async () => {
    const { device, x } = open();
    const indices = native.create(device, 'i32', [1], false);
    native.fill(indices, 64);
    const row = native.gather(x, indices);
    await expect(native.read(row)).rejects.toMatchObject({ op: 'gather' });
    native.closeDevice(device);
  });

  it('does not block the event loop', async () => {
    const { device, x } = open();
    let ticks = 0;
    const timer = setInterval(() => ++ticks, 1);
    const w = native.create(device, 'f32', [64, 64], false);
    for (let i = 0; i < 20_000; ++i) native.dispose(native.linear(x, w, 0, 0));
    await native.synchronize(device);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
    native.closeDevice(device);
  });
});

describe('closing a device', () => {
  it('rejects what is pending, disposes everything, and may be repeated', async () => {
    const { device, x } = open();
    const mask = native.createMask(native.create(device, 'u32', [128], false), [64, 64]);
    native.captureBegin(device);
    const y = native.unary(0, x);
    const graph = native.captureEnd(device);
    const pending = [native.read(x), native.synchronize(device)];
    native.closeDevice(device);
    native.closeDevice(device);
    for (const promise of pending) await expect(promise).rejects.toBeInstanceOf(DisposedError);
    for (const use of [
      () => native.read(x),
      () => native.shape(y),
      () => native.replay(graph),
      () => native.maskFill(mask, true),
      () => native.memory(device),
      () => native.synchronize(device),
    ]) {
      expect(use).toThrow(DisposedError);
    }
    native.dispose(x);
    native.disposeMask(mask);
    native.disposeGraph(graph);
  });

  it('works while a step is being recorded', () => {
    const { device, x } = open();
    native.captureBegin(device);
    native.unary(0, x);
    native.closeDevice(device);
    expect(() => native.captureEnd(device)).toThrow(DisposedError);
  });

  it('leaves other devices alone', async () => {
    const [a, b] = [open(), open()];
    expect(() => native.binary(0, a.x, b.x)).toThrow(/another device/);
    native.closeDevice(a.device);
    native.fill(b.x, 3);
    expect((await native.read(b.x))[0]).toBe(3);
    native.closeDevice(b.device);
  });

  it('never takes an old handle for a new tensor', () => {
    const { device } = open();
    const seen = new Set<number>();
    for (let i = 0; i < 5000; ++i) {
      const tensor = native.create(device, 'u8', [1], false);
      expect(seen.has(tensor)).toBe(false);
      seen.add(tensor);
      native.dispose(tensor);
    }
    for (const old of seen) expect(() => native.shape(old)).toThrow(DisposedError);
    native.closeDevice(device);
  });
});

describe('worker threads', () => {
  const outcome = (worker: Worker) =>
    new Promise<{ code: number; message: unknown }>((resolve, reject) => {
      let message: unknown;
      worker.on('message', (value) => {
        message = value;
      });
      worker.on('error', reject);
      worker.on('exit', (code) => resolve({ code, message }));
    });

  it('several load the addon, compute, and end without disposing anything', async () => {
    const workers = Array.from({ length: 3 }, (_, i) => new Worker(fixture('worker.mjs'), { workerData: { seed: i } }));
    const results = await Promise.all(workers.map(outcome));
    expect(results.map((result) => result.code)).toEqual([0, 0, 0]);
    expect(results.map((result) => result.message)).toEqual([0, 4096, 8192]);
  });

  it('can be terminated in the middle of work', async () => {
    const worker = new Worker(fixture('worker.mjs'), { workerData: { forever: true } });
    await new Promise((resolve) => worker.once('message', resolve));
    expect(await worker.terminate()).toBe(1);
    const { device, x } = open();
    native.fill(x, 1);
    expect((await native.read(x))[0]).toBe(1);
    native.closeDevice(device);
  });
});

describe('the end of the process', () => {
  // Each leaves queued work behind that would take minutes.
  it.each(['return', 'exit', 'pending', 'capture'])('by %s is quick and clean', (how) => {
    const result = spawnSync(process.execPath, [fixture('leave.mjs'), how], { encoding: 'utf8', timeout: 60_000 });
    expect(result.stderr).toBe('');
    expect(result).toMatchObject({ status: how === 'exit' ? 7 : 0, signal: null });
  });
});
