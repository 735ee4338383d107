import { HYPER_SIZE, Hyper, STATS_SIZE, Stat } from '@s2sam/native';
import { describe, expect, it } from 'vitest';
import { mask as drawMask, keyOf, normal, packBits } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { Handles } from '../support/handles.js';

/** Parameters of these sizes lie one behind the other, each at a multiple of 128. */
const sizes = [1, 128, 129, 5000, 300, 64, 12_345];
const decays = sizes.map((_, i) => Math.fround(0.01 * (i % 3)));
const begins = sizes.map((_, i) => sizes.slice(0, i).reduce((at, size) => at + Math.ceil(size / 128) * 128, 0));
const total = (begins.at(-1) as number) + Math.ceil((sizes.at(-1) as number) / 128) * 128;

/** Values of all parameters, with zeros between them. */
function values(name: string, std: number): Float32Array {
  const all = new Float32Array(total);
  for (const [p, size] of sizes.entries()) all.set(normal(keyOf(p, name), size, 0, std), begins[p]);
  return all;
}

const kept = drawMask(keyOf(1, 'bits'), total, Math.round(total / 3));
const master = values('master', 1).map((value, i) => value * (kept[i] as number));
const momentum = values('momentum', 0.1);
const gradient = values('gradient', 2);
const [lr, momentumFactor, rho, maxNorm] = [0.1, 0.9, 0.05, 1].map(Math.fround) as [number, number, number, number];

/** One step in double precision, by the formulas of the contract. */
function reference(): { norm: number; w: Float64Array; v: Float64Array; up: Float64Array } {
  const norm = Math.sqrt(gradient.reduce((sum, g, i) => sum + (kept[i] as number) * g * g, 0));
  const clip = Math.min(1, maxNorm / (norm + 1e-6));
  const [w, v, up] = [new Float64Array(total), new Float64Array(total), new Float64Array(total)];
  for (const [p, size] of sizes.entries()) {
    const begin = begins[p] as number;
    for (let i = begin; i < begin + size; i++) {
      if (kept[i] === 0) continue;
      const g = gradient[i] as number;
      v[i] = momentumFactor * (momentum[i] as number) + clip * g + (decays[p] as number) * (master[i] as number);
      w[i] = (master[i] as number) - lr * (v[i] as number);
      up[i] = (w[i] as number) + (rho * g) / norm;
    }
  }
  return { norm, w, v, up };
}

function largestError(found: ArrayLike<number>, expected: Float64Array): number {
  return expected.reduce((worst, value, i) => Math.max(worst, Math.abs((found[i] as number) - value)), 0);
}

eachDevice('an arena of several parameters', (device) => {
  const { native } = device;

  /** `offset`: where in larger tensors the arena's arrays begin, so that they need not be aligned. */
  async function step(
    handles: Handles,
    offset: number,
    segments: readonly number[],
    compute: 'f16' | 'bf16' | undefined,
  ) {
    const window = (data: Float32Array): number => {
      const whole = new Float32Array(total + offset);
      whole.set(data, offset);
      return handles.own(native.view(handles.f32(whole), offset, [total]));
    };
    const hyper = new Float32Array(HYPER_SIZE);
    hyper.set([lr, momentumFactor, rho, maxNorm], Hyper.lr);
    const [w, v, g, working] = [master, momentum, gradient, master].map(window) as [number, number, number, number];
    const half = compute === undefined ? 0 : handles.own(native.create(device.handle, compute, [total], false));
    const bits = handles.tensor({ shape: [total / 32], data: packBits(kept) });
    const table = handles.tensor({ shape: [segments.length / 2, 2], data: Int32Array.from(segments) });
    const decay = handles.f32(decays.slice(0, segments.length / 2));
    const stats = handles.filled([STATS_SIZE], 0);
    for (const slot of [Stat.gradNorm, Stat.perturbNorm]) native.gradientNorm(g, bits, 0, slot, stats);
    native.optimizerStep(w, v, g, working, half, bits, table, decay, handles.f32(hyper), stats, false, true, true);
    return { w, v, working, half, stats };
  }

  const bounds = sizes.flatMap((size, p) => [begins[p] as number, (begins[p] as number) + size]);

  describe.each([0, 1])('that begins %i elements into its memory', (offset) => {
    it('is stepped with the weight decay of each parameter', async () => {
      using handles = new Handles(device);
      const { w, v, working, stats } = await step(handles, offset, bounds, undefined);
      const expected = reference();
      expect((await native.read(stats))[Stat.gradNorm]).toBeCloseTo(expected.norm, 3);
      expect(largestError(await native.read(w), expected.w)).toBeLessThan(2e-6);
      expect(largestError(await native.read(v), expected.v)).toBeLessThan(2e-6);
      expect(largestError(await native.read(working), expected.up)).toBeLessThan(2e-6);
    });
  });

  it.skipIf(!native.stores('bf16')).each(['f16', 'bf16'] as const)(
    'writes the working copy in %s too (skipped where the device stores no 16-bit types)',
    async (compute) => {
      using handles = new Handles(device);
      const { working, half } = await step(handles, 0, bounds, compute);
      const rounded = handles.own(native.cast(working, compute));
      expect(await native.read(half)).toEqual(await native.read(rounded));
    },
  );

  it('is left alone where a segment reaches out of it', async () => {
    using handles = new Handles(device);
    const { w } = await step(handles, 0, [0, 128, 128, total + 1], undefined);
    await expect(native.synchronize(device.handle)).rejects.toThrow(
      `optimizerStep: segments[3] is ${total + 1}, but must be at least 0 and less than ${total + 1}`,
    );
    expect(await native.read(w)).toEqual(master);
  });
});
