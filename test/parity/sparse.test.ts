import { sgd, train } from '@s2sam/core';
import { syntheticImages } from '@s2sam/data';
import { erk, rigl } from '@s2sam/masks';
import { describe, expect, it } from 'vitest';
import { mask as drawMask, keyOf, normal, packBits } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { Handles } from '../support/handles.js';
import { smallNet } from '../support/smallNet.js';

// Read when a CUDA device first multiplies: masked weights are skipped wherever that is possible. The CPU always does.
process.env.S2SAM_CUDA_CONV = 'sparse';

const [batch, inputs, outputs] = [9, 70, 33] as const;
const x = normal(keyOf(1, 'x'), batch * inputs, 0, 1);
const dy = normal(keyOf(1, 'dy'), batch * outputs, 0, 1);
const weights = normal(keyOf(1, 'w'), outputs * inputs, 0, 1);

/** [rows, inner] times [inner, columns], read by functions of (row, inner) and (inner, column), in double. */
function product(
  [rows, inner, columns]: readonly [number, number, number],
  left: (row: number, k: number) => number,
  right: (k: number, column: number) => number,
): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += left(row, k) * right(k, column);
    return sum;
  });
}

const at = (values: ArrayLike<number>, columns: number) => (row: number, column: number) =>
  values[row * columns + column] as number;

function expectClose(found: ArrayLike<number>, expected: Float64Array): void {
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs((found[i] as number) - value)), 0);
  expect(worst).toBeLessThan(1e-4);
}

eachDevice('products that skip masked weights', (device) => {
  const { native } = device;
  const draw = (seed: number, kept: number): Float32Array => drawMask(keyOf(seed, 'mask'), outputs * inputs, kept);
  const masked = (kept: Float32Array): Float32Array => weights.map((value, i) => value * (kept[i] as number));

  it('follow the mask as it is edited', async () => {
    using handles = new Handles(device);
    const [tx, tdy] = [handles.f32(x, [batch, inputs]), handles.f32(dy, [batch, outputs])];
    const mask = handles.mask(draw(0, 100), [outputs, inputs]);
    for (const [seed, count] of [100, 700, 0, 1, outputs * inputs].entries()) {
      const kept = draw(seed, count);
      const w = masked(kept);
      native.maskWrite(mask, packBits(kept));
      const tw = handles.f32(w, [outputs, inputs]);
      const forward = await handles.read(native.linear(tx, tw, mask, 0));
      expectClose(
        forward,
        product([batch, inputs, outputs], at(x, inputs), (i, o) => at(w, inputs)(o, i)),
      );
      const data = await handles.read(native.linearBackwardData(tdy, tw, mask, 0));
      expectClose(data, product([batch, outputs, inputs], at(dy, outputs), at(w, inputs)));

      const tdw = handles.filled([outputs, inputs], 7);
      native.linearBackwardWeight(tx, tdy, tdw, mask, false, true);
      const dw = product([outputs, batch, inputs], (o, n) => at(dy, outputs)(n, o), at(x, inputs));
      expectClose(
        await native.read(tdw),
        dw.map((value, i) => 7 + value * (kept[i] as number)),
      );
    }
  });

  describe('in a recorded step', () => {
    it('are compiled for it, and it must be recorded again when the mask changes', async () => {
      using handles = new Handles(device);
      const kept = draw(4, 300);
      const mask = handles.mask(kept, [outputs, inputs]);
      const w = masked(kept);
      const [tx, tw] = [handles.f32(x, [batch, inputs]), handles.f32(w, [outputs, inputs])];
      const y = handles.filled([batch, outputs], 0);
      native.captureBegin(device.handle);
      native.copy(handles.own(native.linear(tx, tw, mask, 0)), y);
      const graph = native.captureEnd(device.handle);
      native.replay(graph);
      expectClose(
        await native.read(y),
        product([batch, inputs, outputs], at(x, inputs), (i, o) => at(w, inputs)(o, i)),
      );
      expect(native.isStale(graph)).toBe(false);
      native.maskWrite(mask, packBits(draw(5, 300)));
      const bakedIn = device.kind === 'cuda'; // the CPU looks at the mask whenever it runs
      expect(native.isStale(graph)).toBe(bakedIn);
      if (bakedIn) expect(() => native.replay(graph)).toThrow(/a mask has changed.*record the step again/);
      native.disposeGraph(graph);
    });

    it('read the weights of each replay', async () => {
      using handles = new Handles(device);
      const kept = draw(3, 200);
      const mask = handles.mask(kept, [outputs, inputs]);
      const tx = handles.f32(x, [batch, inputs]);
      const tw = handles.f32(masked(kept), [outputs, inputs]);
      const y = handles.filled([batch, outputs], 0);
      const run = (): void => native.copy(handles.own(native.linear(tx, tw, mask, 0)), y);
      run();
      native.captureBegin(device.handle);
      run();
      const graph = native.captureEnd(device.handle);
      const doubled = masked(kept).map((value) => 2 * value);
      native.write(tw, doubled);
      native.replay(graph);
      expectClose(
        await native.read(y),
        product([batch, inputs, outputs], at(x, inputs), (i, o) => at(doubled, inputs)(o, i)),
      );
      native.disposeGraph(graph);
    });
  });

  it('train and evaluate on while the mask changes, recorded or not', async () => {
    const data = syntheticImages({ classes: 10, size: 8, train: 24, test: 12 });
    const losses = async (): Promise<number[]> => {
      using model = smallNet(device, 1);
      const sparsity = rigl({ density: 0.4, layout: erk(), updateEvery: 2 });
      const run = train(model, { data, optimizer: sgd({ lr: 0.05 }), sparsity, epochs: 3, batchSize: 6 });
      const found: number[] = [];
      for await (const event of run) if (event.type === 'epoch') found.push(event.testLoss ?? Number.NaN);
      return found;
    };
    const recorded = await losses();
    expect(recorded.every(Number.isFinite)).toBe(true);
    process.env.S2SAM_RECORD = '0';
    try {
      expect(await losses()).toEqual(recorded);
    } finally {
      delete process.env.S2SAM_RECORD;
    }
  });
});
