import { type Classifier, Device, type Optimizer, openDevice, s2sam, sam, sgd, train } from '@s2sam/core';
import { erk, staticRandom } from '@s2sam/masks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bitsOf, collect, steps } from '../support/collect.js';
import { tinyData, tinyNet } from '../support/tiny.js';

const base = sgd({ lr: 0.05, momentum: 0.9, weightDecay: 5e-4 });
const data = tinyData();

let device: Device;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
});
afterAll(() => device[Symbol.dispose]());

const sparsity = () => staticRandom({ density: 0.3, layout: erk() });

async function trained(optimizer: Optimizer, count: number): Promise<{ model: Classifier; losses: number[] }> {
  const model = tinyNet(device);
  const events = await collect(train(model, { data, optimizer, sparsity: sparsity(), steps: count, batchSize: 20 }));
  return { model, losses: steps(events).map(({ loss }) => loss) };
}

describe('S2-SAM', () => {
  it.each([
    ['masked', false],
    ['masked', true],
  ] as const)('with rho = 0 is SGD bit for bit over 50 steps (policy %s, adaptive %s)', async (policy, adaptive) => {
    const plain = await trained(base, 50);
    const perturbed = await trained(s2sam(base, { rho: 0, policy, adaptive }), 50);
    using first = plain.model;
    using second = perturbed.model;
    expect(perturbed.losses).toEqual(plain.losses);
    expect(await bitsOf(second)).toEqual(await bitsOf(first));
  });

  it('takes the step of SGD first, another one after that', async () => {
    const plain = await trained(base, 3);
    const perturbed = await trained(s2sam(base, { rho: 0.1 }), 3);
    plain.model[Symbol.dispose]();
    perturbed.model[Symbol.dispose]();
    expect(perturbed.losses[0]).toBe(plain.losses[0]);
    expect(perturbed.losses[1]).not.toBe(plain.losses[1]);
  });

  it.each([
    ['sgd', base, 1],
    ['s2sam', s2sam(base), 1],
    ['adaptive s2sam', s2sam(base, { adaptive: true }), 1],
    ['sam', sam(base), 2],
  ] as const)('%s: forward and backward passes per step', async (_, optimizer, passes) => {
    const counts = new Map<string, number>();
    const counting = new Proxy(device.native, {
      get: (native, name) => {
        counts.set(String(name), (counts.get(String(name)) ?? 0) + 1);
        return Reflect.get(native, name) as unknown;
      },
    });
    using counted = new Device(counting, device.native.openDevice(0, 1));
    using model = tinyNet(counted);
    const run = train(model, { data, optimizer, sparsity: sparsity(), steps: 12, batchSize: 20, evaluateEvery: 0 });
    for await (const { type } of run) {
      if (type === 'start') counts.clear(); // of the forward pass that was recorded to count its FLOPs
    }
    // The step is recorded once and replayed for each of the 12 steps.
    expect(counts.get('replay')).toBe(12);
    expect(counts.get('captureBegin')).toBe(1);
    expect(counts.get('conv2d')).toBe(2 * passes);
    expect(counts.get('conv2dBackwardWeight')).toBe(2 * passes);
    expect(counts.get('softmaxCrossEntropyBackward')).toBe(passes);
  });

  it.each([
    ['sgd', base],
    ['s2sam', s2sam(base, { rho: 0.1 })],
    ['adaptive s2sam', s2sam(base, { rho: 1, adaptive: true })],
    ['sam', sam(base, { rho: 0.1 })],
  ] as const)(
    '%s keeps masked weights, momentum, gradient and working copy at exactly 0 for 100 steps',
    async (_, optimizer) => {
      using model = (await trained(optimizer, 100)).model;
      for (const [name, { storage, mask, size }] of model.namedParameters()) {
        if (mask === undefined) continue;
        const words = await mask.read();
        const keptAt = (i: number): boolean => (((words[i >>> 5] as number) >>> (i & 31)) & 1) === 1;
        const kept = Array.from({ length: size }, (_, i) => keptAt(i)).filter(Boolean).length;
        expect(kept, name).toBe(mask.kept);
        expect((await mask.summary()).kept, name).toBe(mask.kept);
        for (const what of ['value', 'momentum', 'gradient', 'working'] as const) {
          const values = await storage[what].toArray();
          const leaks = values.filter((value, i) => !keptAt(i) && !Object.is(value, 0)).length;
          expect(leaks, `${name} ${what}`).toBe(0);
          if (what === 'value') expect(values.filter((value) => value !== 0).length, name).toBe(mask.kept);
        }
      }
    },
  );

  it('perturbs by exactly rho', async () => {
    using model = (await trained(s2sam(base, { rho: 0.3 }), 5)).model;
    let square = 0;
    for (const { storage } of model.namedParameters().values()) {
      const value = await storage.value.toArray();
      const working = await storage.working.toArray();
      for (let i = 0; i < value.length; i++) square += ((working[i] as number) - (value[i] as number)) ** 2;
    }
    expect(Math.sqrt(square)).toBeCloseTo(0.3, 5);
  });
});
