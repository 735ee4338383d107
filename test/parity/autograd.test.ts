import {
  add,
  avgPool2d,
  BatchNorm2d,
  Classifier,
  Conv2d,
  cast,
  crossEntropy,
  type Device,
  div,
  exp,
  flatten,
  globalAvgPool,
  initialize,
  Linear,
  log,
  maxPool2d,
  mean,
  mul,
  type Parameter,
  relu,
  scaleShift,
  scope,
  sqrt,
  square,
  sub,
  sum,
  Tape,
  type Tensor,
} from '@s2sam/core';
import { expect, it } from 'vitest';
import { integers, keyOf, normal, uniform } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';

const half = { kernel: [2, 2], stride: [2, 2], padding: [0, 0] } as const;

/** Every layer core has, a residual connection, and a convolution that is used twice. */
class EveryLayer extends Classifier {
  readonly stem = new Conv2d(3, 8, { kernel: 3, padding: 1 });
  readonly bn1 = new BatchNorm2d(8);
  readonly shared = new Conv2d(8, 8, { kernel: [3, 1], padding: [1, 0] });
  readonly bn2 = new BatchNorm2d(8);
  readonly down = new Conv2d(8, 6, { kernel: 1, stride: 2 });
  readonly bn3 = new BatchNorm2d(6);
  readonly fc = new Linear(6 * 2 * 2, 5, { std: 0.5 });
  readonly side = new Linear(8, 5, { std: 0.5 });

  constructor() {
    super('every-layer', 5, 3);
  }

  forward(images: Tensor): Tensor {
    const stem = this.bn1.apply(this.stem.forward(images), { relu: true });
    const twice = this.shared.forward(this.shared.forward(stem));
    const block = this.bn2.apply(twice, { relu: true, residual: stem });
    const reduced = maxPool2d(this.bn3.apply(this.down.forward(block)), half);
    const pooled = avgPool2d(relu(reduced), { kernel: [1, 1], stride: [1, 1], padding: [0, 0] });
    return add(this.fc.forward(flatten(pooled)), this.side.forward(globalAvgPool(block)));
  }
}

const BATCH = 6;
const batchOf = (device: Device): { x: Tensor; labels: Tensor } => ({
  x: device.tensor(normal(keyOf(0, 'x'), BATCH * 3 * 8 * 8, 0, 1), [BATCH, 3, 8, 8]),
  labels: device.tensor(integers(keyOf(0, 'labels'), BATCH, 5), [BATCH]),
});

const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((total, v, i) => total + v * (b[i] as number), 0);

/** (f(w + h d) - f(w - h d)) / 2h; w is put back. */
async function slope(parameter: Parameter, direction: ArrayLike<number>, loss: () => Promise<number>): Promise<number> {
  const h = 1e-2;
  const at = await parameter.value.toArray();
  const along = async (sign: number): Promise<number> => {
    parameter.value.write(Float32Array.from(at, (value, i) => value + sign * h * (direction[i] as number)));
    return await loss();
  };
  const result = ((await along(1)) - (await along(-1))) / (2 * h);
  parameter.value.write(at);
  return result;
}

eachDevice('autograd', (device) => {
  it.each([false, true])('gradients of every layer are the slopes of the loss (masked: %s)', async (masked) => {
    using model = initialize(new EveryLayer(), { device, seed: 3 });
    await scope(async () => {
      const { x, labels } = batchOf(device);
      const lossTensor = (): Tensor => crossEntropy(model.forward(x), labels, { labelSmoothing: 0.1 });
      if (masked) {
        for (const parameter of model.namedParameters().values()) {
          if (parameter.kind !== 'weight') continue;
          const mask = model.arena.addMask(parameter);
          mask.random(Math.ceil(parameter.size / 2), keyOf(1, parameter.name));
          mask.apply(parameter.value);
        }
      }
      model.arena.gradient.fill(0);
      const tape = new Tape();
      tape.backward(tape.record(lossTensor));
      const loss = (): Promise<number> => scope(async () => await lossTensor().item());
      for (const [name, parameter] of model.namedParameters()) {
        const gradient = await parameter.gradient.toArray();
        const size = norm(gradient);
        expect(size, name).toBeGreaterThan(1e-3);
        const steepest = gradient.map((value) => value / size);
        expect(
          Math.abs((await slope(parameter, steepest, loss)) / size - 1),
          `${name}, along its gradient`,
        ).toBeLessThan(0.02);
        using alive = parameter.mask?.expand();
        const kept = await alive?.toArray();
        const random = normal(keyOf(2, name), parameter.size, 0, 1).map((value, i) => value * (kept?.[i] ?? 1));
        const direction = random.map((value) => value / norm(random));
        const error = (await slope(parameter, direction, loss)) - dot(gradient, direction);
        expect(Math.abs(error) / size, `${name}, along a random direction`).toBeLessThan(0.02);
      }
    });
  });

  it('gradient accumulation adds, a second pass replaces', async () => {
    using model = initialize(new EveryLayer(), { device });
    await scope(async () => {
      const { x, labels } = batchOf(device);
      const pass = async (accumulate: boolean): Promise<ArrayLike<number>> => {
        const tape = new Tape();
        tape.backward(
          tape.record(() => crossEntropy(model.forward(x), labels)),
          undefined,
          { accumulate },
        );
        return await model.arena.gradient.toArray();
      };
      const first = await pass(false);
      expect(await pass(false)).toEqual(first);
      const twice = Array.from(await pass(true));
      const largest = Math.max(...Array.from(first, Math.abs));
      expect(Math.max(...twice.map((value, i) => Math.abs(value - 2 * (first[i] as number)))) / largest).toBeLessThan(
        1e-5,
      );
    });
  });

  const functions: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
    add: (x, y) => sum(square(add(x, y))),
    sub: (x, y) => sum(square(sub(x, y))),
    mul: (x, y) => sum(mul(x, mul(x, y))),
    div: (x, y) => sum(div(y, x)),
    'x used by both operands': (x) => sum(mul(x, x)),
    scaleShift: (x) => sum(square(scaleShift(x, -1.5, 0.25))),
    relu: (x) => sum(square(relu(scaleShift(x, 1, -1)))),
    exp: (x) => mean(exp(x)),
    log: (x) => mean(log(x)),
    sqrt: (x) => mean(sqrt(x)),
    'mean of squares': (x) => mean(square(x)),
    cast: (x) => sum(square(cast(x, 'f32'))),
    flatten: (x, y) => sum(mul(flatten(x), flatten(y))),
  };
  it.each(Object.keys(functions))('%s has the slope of finite differences', async (name) => {
    const f = functions[name] as (x: Tensor, y: Tensor) => Tensor;
    const shape = [2, 3, 2, 2];
    const values = uniform(keyOf(0, 'x'), 24, 0.5, 2);
    await scope(async () => {
      const [x, y] = [device.tensor(values, shape), device.tensor(uniform(keyOf(0, 'y'), 24, 0.5, 2), shape)];
      const tape = new Tape();
      tape.watch(x, y);
      tape.backward(tape.record(() => f(x, y)));
      const gradient = (await tape.gradient(x)?.toArray()) ?? [];
      const h = 2e-3;
      const slopes: number[] = [];
      for (const [i, value] of values.entries()) {
        const at = async (moved: number): Promise<number> => {
          x.write(values.with(i, moved));
          return await scope(() => f(x, y).item());
        };
        const [up, down] = [Math.fround(value + h), Math.fround(value - h)];
        slopes.push(((await at(up)) - (await at(down))) / (up - down));
      }
      const largest = Math.max(...slopes.map(Math.abs));
      const worst = Math.max(...slopes.map((value, i) => Math.abs(value - (gradient[i] as number))));
      expect(gradient).toHaveLength(24);
      expect(worst / largest, `gradient ${gradient}, slopes ${slopes}`).toBeLessThan(0.01);
    });
  });
});
