import type { ProfileSpan } from '@s2sam/native';
import { expect, it } from 'vitest';
import { eachDevice } from '../support/devices.js';

eachDevice('profiles', (device) => {
  const { native, handle } = device;

  /** Disposes what `body` makes. */
  async function scoped(body: (own: <T extends number>(tensor: T) => T) => Promise<void>): Promise<void> {
    const made: number[] = [];
    try {
      await body((tensor) => {
        made.push(tensor);
        return tensor;
      });
    } finally {
      for (const tensor of made) native.dispose(tensor);
    }
  }

  const namesOf = (spans: readonly ProfileSpan[]) => spans.map(({ op, label }) => [op, label]);

  it('have the ops of a step recorded meanwhile, each time it is replayed', async () => {
    await scoped(async (own) => {
      const x = own(native.create(handle, 'f32', [1000], false));
      native.fill(x, 1);
      let sum = 0;
      device.beginProfile();
      const graph = device.capture(() => {
        native.label(handle, 'layer');
        sum = own(native.affine(x, 2, 0));
        native.label(handle, '');
        native.addInto(x, 1, sum);
      });
      await device.synchronize();
      device.beginProfile();
      graph.replay();
      graph.replay();
      const spans = await device.endProfile();
      expect(await native.read(sum)).toEqual(new Float32Array(1000).fill(3));
      const once = [
        ['affine', 'layer'],
        ['addInto', ''],
      ];
      expect(namesOf(spans)).toEqual([...once, ...once]);
      expect(spans.map(({ bytes, flops }) => [bytes, flops]).slice(0, 2)).toEqual([
        [8000, 0],
        [8000, 0],
      ]);
      for (const { begin, end } of spans) {
        expect(begin).toBeGreaterThanOrEqual(0);
        expect(end).toBeGreaterThanOrEqual(begin);
      }
      graph.replay();
      await device.synchronize();
      device.beginProfile();
      expect(await device.endProfile()).toEqual([]);
      graph[Symbol.dispose]();
    });
  });

  it('count the arithmetic of a convolution, and say how it is computed', async () => {
    await scoped(async (own) => {
      const x = own(native.create(handle, 'f32', [2, 3, 8, 8], true));
      const w = own(native.create(handle, 'f32', [5, 3, 3, 3], false));
      native.fill(x, 1);
      native.fill(w, 1);
      own(native.conv2d(x, w, 0, 1, 1, 1, 1)); // the engine is chosen
      await device.synchronize();
      device.beginProfile();
      native.label(handle, 'conv');
      const y = own(native.conv2d(x, w, 0, 1, 1, 1, 1));
      native.label(handle, '');
      const spans = await device.endProfile();
      expect(namesOf(spans)).toEqual([['conv2d', 'conv']]);
      expect(spans[0]?.flops).toBe(2 * (5 * 3 * 9) * (2 * 8 * 8));
      expect(((await native.read(y)) as Float32Array)[9]).toBe(27);
      const choice = device.kernelChoices().find(({ op, label }) => op === 'conv2d' && label === 'conv');
      expect(choice?.kernel).not.toBe('');
      expect(choice?.density).toBe(1);
    });
  });

  it('are not begun while a step is recorded', () => {
    native.captureBegin(handle);
    expect(() => device.beginProfile()).toThrow('begin before captureBegin');
    native.captureAbort(handle);
  });

  it('can be set beside what the device reaches at most', async () => {
    const { arithmetic, memory, halfArithmetic } = await device.measurePeaks();
    expect(arithmetic).toBeGreaterThan(0);
    expect(memory).toBeGreaterThan(0);
    expect(halfArithmetic !== undefined).toBe(device.kind === 'cuda');
  });
});
