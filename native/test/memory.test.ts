import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeviceHandle, DisposedError, loadCpu, OutOfMemoryError, ReduceOp, UnaryOp } from '../lib/index.js';

const native = loadCpu();
let device: DeviceHandle;
beforeAll(() => {
  device = native.openDevice(0, 2);
});
afterAll(() => native.closeDevice(device));

const plain = (shape: number[]) => native.create(device, 'f32', shape, false);

describe('memory', () => {
  it('counts tensors and bytes, and returns to where it began', () => {
    const before = native.memory(device);
    const tensors = [plain([1000]), plain([50, 4]), native.create(device, 'u8', [3], false)];
    const during = native.memory(device);
    expect(during.tensors).toBe(before.tensors + 3);
    expect(during.active).toBe(before.active + 4000 + 800 + 3);
    for (const tensor of tensors) native.dispose(tensor);
    expect(native.memory(device)).toMatchObject({ tensors: before.tensors, active: before.active });
  });

  it('reuses freed memory instead of asking for more', async () => {
    const sizes = [1000, 2000, 4000];
    const round = () => {
      for (const tensor of sizes.map((size) => native.unary(UnaryOp.relu, plain([size])))) native.dispose(tensor);
    };
    const held = () => native.memory(device).active + native.memory(device).cached;
    const device2 = native.openDevice(0, 1);
    native.closeDevice(device2);
    round();
    const leaked = native.memory(device).tensors;
    const once = held();
    const x = plain([4000]);
    for (let i = 0; i < 100; ++i) native.dispose(native.unary(UnaryOp.square, x));
    await native.synchronize(device);
    expect(held()).toBeLessThanOrEqual(once + 16000 + 16000);
    expect(native.memory(device).tensors).toBe(leaked + 1);
    native.dispose(x);
  });

  it('a tensor disposed before its readers have run is still read right', async () => {
    // Enqueued work holds on to old contents by order alone: the next owner of the block writes after the reader.
    const sums: Promise<unknown>[] = [];
    for (let i = 1; i <= 200; ++i) {
      const x = plain([5000]);
      native.fill(x, i);
      const sum = native.reduce(ReduceOp.sum, x);
      native.dispose(x);
      sums.push(native.read(sum).then((value) => value[0]));
      native.dispose(sum);
    }
    expect(await Promise.all(sums)).toEqual(Array.from({ length: 200 }, (_, i) => 5000 * (i + 1)));
  });

  it('a view keeps the memory of its tensor', async () => {
    const before = native.memory(device).active;
    const x = plain([6]);
    native.write(x, Float32Array.of(0, 1, 2, 3, 4, 5));
    const view = native.view(x, 2, [2, 2]);
    native.dispose(x);
    expect(native.memory(device).active).toBe(before + 24);
    plain([6]);
    expect([...(await native.read(view))]).toEqual([2, 3, 4, 5]);
    expect(() => native.read(x)).toThrow(DisposedError);
    const inner = native.view(view, 3, [1]);
    native.dispose(view);
    expect([...(await native.read(inner))]).toEqual([5]);
    native.dispose(inner);
  });

  it('a view writes through', async () => {
    const x = plain([5]);
    native.fill(native.view(x, 1, [3]), 7);
    expect([...(await native.read(x))]).toEqual([0, 7, 7, 7, 0]);
  });

  it('tracks the peak and gives memory back', async () => {
    native.resetPeak(device);
    const start = native.memory(device);
    expect(start.peak).toBe(start.active);
    native.dispose(plain([1_000_000]));
    expect(native.memory(device)).toMatchObject({ active: start.active, peak: start.active + 4_000_000 });
    expect(native.memory(device).cached).toBeGreaterThan(4_000_000);
    native.trim(device);
    await native.synchronize(device);
    expect(native.memory(device).cached).toBeLessThan(4_000_000);
  });

  it('refuses what no machine has, and goes on', async () => {
    const before = native.memory(device);
    expect(() => plain([2 ** 20, 2 ** 20])).toThrow(OutOfMemoryError);
    expect(() => plain([2 ** 20, 2 ** 20])).toThrow(/asked for 4398046511104 bytes.*limit: \d+.*dispose tensors/);
    expect(native.memory(device).tensors).toBe(before.tensors);
    const x = plain([2]);
    expect([...(await native.read(x))]).toEqual([0, 0]);
  });
});

describe('S2SAM_MEMORY_LIMIT', () => {
  const withLimit = <T>(limit: string, body: () => T): T => {
    process.env.S2SAM_MEMORY_LIMIT = limit;
    try {
      return body();
    } finally {
      delete process.env.S2SAM_MEMORY_LIMIT;
    }
  };

  it('bounds tensors and cache together', async () => {
    const limited = withLimit('1000000', () => native.openDevice(0, 1));
    const make = (count: number) => native.create(limited, 'f32', [count], false);
    const [a, b] = [make(100_000), make(100_000)];
    expect(() => make(100_000)).toThrow(OutOfMemoryError);
    native.dispose(a);
    // Fits only because the cached block of another size is given back first.
    const c = make(110_000);
    expect(native.memory(limited).active).toBe(400_000 + 440_000);
    expect([(await native.read(b)).length, (await native.read(c)).length]).toEqual([100_000, 110_000]);
    native.closeDevice(limited);
  });

  it.each(['0', '-5', 'much', '1e9'])('%s is refused', (limit) => {
    expect(() => withLimit(limit, () => native.openDevice(0, 1))).toThrow(/positive whole number of bytes/);
  });
});
