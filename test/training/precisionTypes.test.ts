import { type Device, type MaskStrategy, openDevice, s2sam, sam, sgd, train } from '@s2sam/core';
import { erk, staticRandom } from '@s2sam/masks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bitsOf, collect } from '../support/collect.js';
import { tinyData, tinyNet } from '../support/tiny.js';
import { widenedDevice } from '../support/widened.js';

const data = tinyData();
const base = sgd({ lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 5e-4, maxGradNorm: 1 });

let cpu: Device;
let widened: Device;
beforeAll(async () => {
  cpu = await openDevice('cpu', { threads: 2 });
  widened = widenedDevice(cpu.native);
});
afterAll(() => {
  widened[Symbol.dispose]();
  cpu[Symbol.dispose]();
});

/** Grows where weight and gradient together are largest, so that the gradient's scale counts; now and then skips the optimizer. */
const dynamic = (): MaskStrategy => {
  const start = staticRandom({ density: 0.3, layout: erk() });
  return {
    name: 'dynamic',
    init: async (context) => {
      await context.probeGradient({ batches: 2 });
      for (const { mask, gradient } of context.layers) mask.topK(gradient, Math.ceil(mask.size / 2));
      await start.init(context);
    },
    needs: (step) => (step % 5 === 3 ? { denseGradient: true, skipOptimizerStep: step % 2 === 0, update: true } : {}),
    update: ({ layers }) => {
      for (const { mask, weight, gradient, momentum } of layers) {
        const count = Math.floor(mask.kept / 5);
        if (mask.full || count === 0) continue;
        weight.device.native.addInto(gradient.handle, 0.1, momentum.handle);
        mask.drop(momentum, count);
        mask.grow(gradient, count);
        weight.device.native.addInto(gradient.handle, -0.1, momentum.handle);
      }
    },
  };
};

async function trained(device: Device, dtype: 'f32' | 'f16' | 'bf16', optimizer: typeof base | ReturnType<typeof sam>) {
  const model = tinyNet(device, { dtype });
  const events = await collect(
    train(model, { data, optimizer, sparsity: dynamic(), steps: 20, batchSize: 20, labelSmoothing: 0.1 }),
  );
  const numbers = events.flatMap((event): unknown[] => {
    if (event.type === 'step') return [event.loss, event.accuracy, event.gradNorm];
    if (event.type === 'mask') return [event.checksum];
    return event.type === 'epoch' ? [event.testLoss, event.testAccuracy] : [];
  });
  const bits = await bitsOf(model);
  // At f16 the gradient is that of the scaled loss.
  for (const name of bits.keys()) if (name.endsWith(' gradient')) bits.delete(name);
  model[Symbol.dispose]();
  return { numbers, bits };
}

describe('16-bit training with 16-bit values that were not rounded', () => {
  it.each([
    ['sgd', base],
    ['s2sam', s2sam(base, { rho: 0.1 })],
    ['s2sam, dense policy', s2sam(base, { rho: 0.1, policy: 'dense' })],
    ['adaptive s2sam', s2sam(base, { rho: 0.5, adaptive: true })],
    ['sam', sam(base, { rho: 0.1 })],
  ] as const)('%s gives what f32 gives, bit for bit', async (_, optimizer) => {
    const wide = await trained(cpu, 'f32', optimizer);
    for (const dtype of ['bf16', 'f16'] as const) expect(await trained(widened, dtype, optimizer), dtype).toEqual(wide);
  });
});
