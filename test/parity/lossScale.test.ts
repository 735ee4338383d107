import { expect, it } from 'vitest';
import { type ArenaOptions, TestArena } from '../support/arena.js';
import { keyOf, normal } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';

const SIZE = 300;
const weights = [...normal(keyOf(0, 'loss-scale/weights'), SIZE, 0, 1)];
const gradient = normal(keyOf(0, 'loss-scale/gradient'), SIZE, 0, 1e-3);
const mask = weights.map((_, i) => (i % 3 === 0 ? 0 : 1));
const INTERVAL = 4;

eachDevice('loss scaling', (device) => {
  const cases: [string, ArenaOptions][] = [
    ['masked', { weights, mask, weightDecay: 1e-2, maxNorm: 0.01 }],
    ['dense', { weights, mask, policy: 'dense', nesterov: true }],
    ['adaptive', { weights, mask, adaptive: true, rho: 0.5 }],
  ];

  it.each(cases)(
    'a step along a scaled gradient is that along the gradient itself, bit for bit (%s)',
    async (_, options) => {
      using plain = new TestArena(device, options);
      using scaled = new TestArena(device, options);
      scaled.writeStat('lossScale', 1024);
      for (let step = 0; step < 3; step++) {
        plain.writeGradient(gradient);
        scaled.writeGradient(gradient.map((value) => value * 1024));
        for (const arena of [plain, scaled]) {
          arena.step(options.adaptive !== true);
          if (options.adaptive === true) arena.perturb();
        }
      }
      for (const name of ['master', 'momentum', 'working'] as const) {
        expect(await scaled.read(name), name).toEqual(await plain.read(name));
      }
      for (const name of ['gradNorm', 'perturbNorm'] as const) {
        expect(await scaled.stat(name), name).toBe(await plain.stat(name));
        expect(await scaled.stat(name), name).toBeGreaterThan(0);
      }
      expect(await scaled.stat('skippedSteps')).toBe(0);
    },
  );

  /** The scale after each step, `good` steps with a finite gradient and `bad` ones without. */
  async function scales(start: number, steps: readonly ('good' | 'bad')[]): Promise<number[]> {
    using arena = new TestArena(device, { weights });
    arena.writeStat('lossScale', start);
    const found: number[] = [];
    for (const step of steps) {
      arena.writeGradient(step === 'good' ? gradient : gradient.map((value, i) => (i === 7 ? Infinity : value)));
      arena.step(false);
      arena.updateLossScale(INTERVAL);
      found.push(await arena.stat('lossScale'));
    }
    return found;
  }

  it('is halved after a gradient that is not finite and doubled after enough that are', async () => {
    expect(await scales(65536, ['good', 'bad', 'good', 'good', 'good', 'good', 'good', 'bad'])).toEqual([
      65536, 32768, 32768, 32768, 32768, 65536, 65536, 32768,
    ]);
  });

  it('begins to count anew after each change', async () => {
    const steps = ['good', 'good', 'good', 'bad', 'good', 'good', 'good', 'good'] as const;
    expect(await scales(8, steps)).toEqual([8, 8, 8, 4, 4, 4, 4, 8]);
  });

  it('stays from 1 to 2^24', async () => {
    expect(await scales(2, ['bad', 'bad', 'bad'])).toEqual([1, 1, 1]);
    const good = Array.from({ length: 2 * INTERVAL }, () => 'good' as const);
    expect((await scales(2 ** 23, good)).filter((_, i) => i % INTERVAL === INTERVAL - 1)).toEqual([2 ** 24, 2 ** 24]);
  });

  it('is left alone where it is off', async () => {
    expect(await scales(0, ['bad', ...Array.from({ length: INTERVAL }, () => 'good' as const)])).toEqual([
      0, 0, 0, 0, 0,
    ]);
  });

  it('a step whose scaled gradient overflows changes no weight', async () => {
    using arena = new TestArena(device, { weights });
    const before = await arena.read('master');
    arena.writeStat('lossScale', 65536);
    arena.writeGradient(gradient.map((value, i) => (i === 7 ? Number.NaN : value)));
    arena.step(true);
    expect(await arena.read('master')).toEqual(before);
    expect(await arena.read('working')).toEqual(before);
    expect(await arena.stat('skippedSteps')).toBe(1);
  });
});
