import { type Device, evaluate, openDevice, s2sam, scope, sgd, Tape, train } from '@s2sam/core';
import { staticRandom } from '@s2sam/masks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect } from '../support/collect.js';
import { living } from '../support/living.js';
import { tinyData, tinyNet } from '../support/tiny.js';

const data = tinyData();
const optimizer = s2sam(sgd({ lr: 0.05, momentum: 0.9 }));
const options = { data, optimizer, batchSize: 20 };

let device: Device;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
});
afterAll(() => device[Symbol.dispose]());

describe('memory', () => {
  it('returns to where it began after 200 steps and disposing the model', async () => {
    const before = living(device);
    {
      using model = tinyNet(device);
      await collect(train(model, { ...options, steps: 200, sparsity: staticRandom({ density: 0.2 }) }));
      for await (const _ of evaluate(model, { data }));
    }
    expect(living(device)).toEqual(before);
  });

  it('a run leaves no tensor behind in the model it trained', async () => {
    using model = tinyNet(device);
    const sparsity = staticRandom({ density: 0.2 });
    await collect(train(model, { ...options, steps: 3, sparsity }));
    const before = living(device);
    await collect(train(model, { ...options, steps: 40, sparsity }));
    expect(living(device)).toEqual(before);
  });

  it('does not grow from step to step', async () => {
    using model = tinyNet(device);
    const seen = new Set<string>();
    for await (const event of train(model, { ...options, steps: 200, evaluateEvery: 0 })) {
      if (event.type === 'step' && event.step > 10) seen.add(JSON.stringify(living(device)));
    }
    expect(seen.size).toBe(1);
  });

  it.each(['abort', 'break', 'throw'] as const)('is free again after a run that ends by %s', async (how) => {
    const before = living(device);
    {
      using model = tinyNet(device);
      const controller = new AbortController();
      const walk = async (): Promise<void> => {
        for await (const event of train(model, { ...options, steps: 500, signal: controller.signal })) {
          if (event.type !== 'step' || event.step !== 20) continue;
          if (how === 'abort') controller.abort();
          if (how === 'break') break;
          if (how === 'throw') throw new Error('mine');
        }
      };
      await (how === 'throw' ? expect(walk()).rejects.toThrow('mine') : walk());
    }
    await device.synchronize();
    expect(living(device)).toEqual(before);
  });

  it('a scope frees what its result does not name, also across await and when it throws', async () => {
    const before = living(device);
    const kept = await scope(async () => {
      const a = device.tensor([1, 2, 3], [3]);
      await device.synchronize();
      const b = device.tensor([4, 5], [2]);
      return { a, other: [b.view(0, [1])] };
    });
    expect(living(device).tensors).toBe(before.tensors + 2);
    expect([...(await kept.a.toArray())]).toEqual([1, 2, 3]);
    kept.a.dispose();
    for (const tensor of kept.other) tensor.dispose();
    const failing = (): void =>
      scope(() => {
        device.zeros([10]);
        throw new Error('mine');
      });
    expect(failing).toThrow('mine');
    expect(living(device)).toEqual(before);
  });

  it('a tape releases activations while it walks back', async () => {
    using model = tinyNet(device);
    const before = living(device);
    scope(() => {
      const x = device.zeros([4, 3, 8, 8]);
      const tape = new Tape();
      const y = tape.record(() => model.forward(x));
      const after = living(device).tensors;
      tape.backward(y, undefined, { release: { keep: [] } });
      expect(living(device).tensors).toBeLessThan(after);
      expect(y.disposed).toBe(false);
    });
    expect(living(device)).toEqual(before);
  });
});
