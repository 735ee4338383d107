import {
  ArgumentError,
  BatchNorm2d,
  Classifier,
  Conv2d,
  type Device,
  Dropout,
  dropout,
  globalAvgPool,
  initialize,
  Linear,
  type Optimizer,
  philox,
  relu,
  s2sam,
  sam,
  scope,
  sgd,
  streamKey,
  Tape,
  type Tensor,
  TrainStep,
} from '@s2sam/core';
import { expect, it } from 'vitest';
import { integers, keyOf, normal } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { expected } from '../support/golden.js';
import '../support/matchers.js';

/** Which elements stay: the rule of the contract, with the host's own Philox. */
function kept(count: number, p: number, key: readonly [number, number], step: number): boolean[] {
  return Array.from({ length: count }, (_, i) => {
    const words = philox(key, Math.floor(i / 4), 0, step, 0);
    return ((words[i % 4] as number) >>> 8) / 2 ** 24 >= Math.fround(p);
  });
}

eachDevice('dropout', (device) => {
  const ones = (count: number): Tensor => device.tensor(new Float32Array(count).fill(1), [count]);

  it.each([
    [1, 0.5, 0],
    [7, 0.5, 3],
    [4099, 0.2, 41],
    [70_000, 0.9, 1],
  ])('of %d elements with p = %d at step %d drops by Philox', async (count, p, step) => {
    await scope(async () => {
      const key = streamKey(7, 'layer.noise');
      const clock = device.tensor(Int32Array.of(step), [1]);
      const values = normal(keyOf(1, 'dropout/x'), count, 0, 1);
      const y = dropout(device.tensor(values, [count]), p, { key, clock });
      const wanted = kept(count, p, key, step).map((stays, i) => (stays ? (values[i] as number) / (1 - p) : 0));
      expect(await y.toArray()).toBeCloseToTensor(expected('dropout', wanted, 1e-6));
    });
  });

  it('drops the share p, and other elements at each step and for each key', async () => {
    await scope(async () => {
      const count = 100_000;
      const x = ones(count);
      const drawn = async (name: string, step: number): Promise<Set<number>> => {
        const clock = device.tensor(Int32Array.of(step), [1]);
        const y = await dropout(x, 0.3, { key: streamKey(0, name), clock }).toArray();
        return new Set(Array.from(y, (value, i) => (value === 0 ? i : -1)).filter((i) => i >= 0));
      };
      const [first, again, later, other] = [
        await drawn('a', 0),
        await drawn('a', 0),
        await drawn('a', 1),
        await drawn('b', 0),
      ];
      // Five standard deviations of a binomial count.
      const slack = 5 * Math.sqrt(count * 0.3 * 0.7);
      expect(again).toEqual(first);
      for (const dropped of [first, later, other]) expect(Math.abs(dropped.size - 0.3 * count)).toBeLessThan(slack);
      for (const dropped of [later, other]) {
        const both = [...dropped].filter((i) => first.has(i)).length;
        expect(Math.abs(both - 0.09 * count), 'as many in common as by chance').toBeLessThan(
          5 * Math.sqrt(count * 0.09),
        );
      }
    });
  });

  it('hands the gradient back where it let values pass', async () => {
    await scope(async () => {
      const x = ones(33);
      const tape = new Tape();
      tape.watch(x);
      const clock = device.tensor(Int32Array.of(2), [1]);
      const y = tape.record(() => dropout(x, 0.5, { key: [3, 4], clock }));
      tape.backward(y);
      expect(await tape.gradient(x)?.toArray()).toEqual(await y.toArray());
    });
  });

  it('refuses a share that is none', () => {
    for (const p of [1, -0.1, Number.NaN]) expect(() => new Dropout(p)).toThrow(ArgumentError);
  });
});

/** conv-BN-ReLU, pool, linear-ReLU-dropout-linear; the convolution has a bias. */
class Dropping extends Classifier {
  readonly conv = new Conv2d(3, 6, { kernel: 3, padding: 1, bias: 'inNorm' });
  readonly bn = new BatchNorm2d(6);
  readonly hidden = new Linear(6, 40, { std: 0.5 });
  readonly drop: Dropout;
  readonly fc = new Linear(40, 4, { std: 0.5 });

  constructor(p: number) {
    super('dropping', 4, 3);
    this.drop = new Dropout(p);
  }

  forward(x: Tensor): Tensor {
    const features = globalAvgPool(this.bn.apply(this.conv.forward(x), { relu: true, inputBias: this.conv.bias }));
    return this.fc.forward(this.drop.forward(relu(this.hidden.forward(features))));
  }
}

const BATCH = [8, 3, 8, 8] as const;

async function lossesOf(device: Device, optimizer: Optimizer, steps: readonly number[], p = 0.5): Promise<number[]> {
  using model = initialize(new Dropping(p), { device, seed: 5 });
  using x = device.tensor(normal(keyOf(2, 'dropout/images'), 8 * 3 * 64, 0, 1), BATCH);
  using labels = device.tensor(integers(keyOf(2, 'dropout/labels'), 8, 4), [8]);
  // What a step reads it disposes.
  const input = () => {
    const batch = { x: device.zeros(BATCH, { activation: true }), labels: device.zeros([8], { dtype: 'i32' }) };
    batch.x.copyFrom(x);
    batch.labels.copyFrom(labels);
    return batch;
  };
  using training = new TrainStep(model, { optimizer, input });
  const losses: number[] = [];
  for (const step of steps) {
    losses.push((await training.run({ step, totalSteps: 10, stepsPerEpoch: 10 })).loss);
  }
  return losses;
}

eachDevice('dropout in recorded steps', (device) => {
  // A learning rate this small changes no weight, so that losses differ by what was dropped alone.
  const still = sgd({ lr: 1e-30 });

  it('draws anew at each step, and the same when a step is repeated', async () => {
    const losses = await lossesOf(device, still, [0, 1, 2, 1, 0]);
    expect(new Set(losses.slice(0, 3)).size).toBe(3);
    expect(losses.slice(3)).toEqual([losses[1], losses[0]]);
    const [plain, same] = await lossesOf(device, still, [0, 1], 0);
    expect(same).toBe(plain);
  });

  it.each([
    ['S2-SAM', s2sam(sgd({ lr: 0.05, momentum: 0.9 }), { rho: 0.1 })],
    ['SAM', sam(sgd({ lr: 0.05, momentum: 0.9 }), { rho: 0.1 })],
  ])('trains under %s', async (_, optimizer) => {
    const losses = await lossesOf(
      device,
      optimizer,
      Array.from({ length: 60 }, (_, step) => step),
    );
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(losses.slice(-10))).toBeLessThan(0.8 * mean(losses.slice(0, 10)));
  });

  it('does nothing in evaluation', async () => {
    using model = initialize(new Dropping(0.5), { device, seed: 5 });
    await scope(async () => {
      const x = device.zeros([2, 40]);
      x.fill(1);
      expect(model.eval().drop.forward(x)).toBe(x);
      model.train();
      const y = await model.drop.forward(x).toArray();
      expect(new Set(y)).toEqual(new Set([0, 2]));
    });
  });
});
