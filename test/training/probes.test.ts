import {
  avgPool2d,
  BatchNorm2d,
  Classifier,
  Conv2d,
  Decisions,
  type Device,
  globalAvgPool,
  initialize,
  Linear,
  type MaskStrategy,
  maxPool2d,
  openDevice,
  type StrategyContext,
  scope,
  sgd,
  type Tensor,
  type TrainEvent,
  train,
} from '@s2sam/core';
import { erk, global, grasp, rules, snip, snipOriginal } from '@s2sam/masks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyOf, uniform } from '../support/counter.js';
import { tinyData, tinyNet } from '../support/tiny.js';

const data = tinyData();
let device: Device;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
});
afterAll(() => device[Symbol.dispose]());

async function begun(
  sparsity: MaskStrategy,
  model = tinyNet(device),
): Promise<{ model: Classifier; events: TrainEvent[] }> {
  const events: TrainEvent[] = [];
  const options = { data, optimizer: sgd({ lr: 0.1 }), sparsity, steps: 1, batchSize: 24, seed: 3, evaluateEvery: 0 };
  for await (const event of train(model, options)) {
    events.push(event);
    if (event.type === 'step') break;
  }
  return { model, events };
}

/** Runs `look` as a strategy's `init`. */
async function inside(look: (context: StrategyContext) => Promise<void>): Promise<void> {
  const { model } = await begun({ name: 'look', init: look });
  model[Symbol.dispose]();
}

describe('what init does to weights', () => {
  it.each([
    ['snip', snip({ density: 0.2 })],
    ['snip on other weights', snip({ density: 0.2, ...snipOriginal })],
    ['grasp', grasp({ density: 0.2 })],
  ])('%s: is undone, and running statistics do not change', async (_, strategy) => {
    using fresh = tinyNet(device);
    const seen = new Map<string, number[]>();
    const wrapped: MaskStrategy = { ...strategy, needs: () => ({ skipOptimizerStep: true }) };
    using model = (await begun(wrapped)).model;
    for (const [name, { value, mask }] of model.namedParameters()) {
      seen.set(name, [...(await value.toArray())]);
      using expected = device.zeros(value.shape, { activation: false });
      expected.copyFrom(fresh.namedParameters().get(name)?.value as Tensor);
      mask?.apply(expected);
      expect(seen.get(name), name).toEqual([...(await expected.toArray())]);
    }
    const kept = [...model.namedParameters().values()].reduce((sum, { mask }) => sum + (mask?.kept ?? 0), 0);
    expect(kept).toBe(3984 - Math.floor(0.8 * 3984));
  });
});

it('snip can rank by layers, leave layers dense, and choose otherwise on other weights', async () => {
  const keptBy = async (strategy: MaskStrategy): Promise<number[]> => {
    using model = (await begun(strategy)).model;
    return [...model.namedParameters().values()].flatMap(({ mask }) => (mask === undefined ? [] : [mask.kept]));
  };
  const layers = [
    ...erk()
      .allocate(await layerTable(), 0.2)
      .values(),
  ];
  expect(await keptBy(snip({ density: 0.2, layout: erk() }))).toEqual(layers);
  const dense = await keptBy(snip({ density: 0.2, layout: global({ dense: rules.stemAndClassifier }) }));
  expect(dense).toEqual([432, 3456 - Math.floor(0.8 * 3456), 96]);
  expect(await keptBy(snip({ density: 0.2 }))).not.toEqual(await keptBy(snip({ density: 0.2, ...snipOriginal })));
});

async function layerTable() {
  let table: StrategyContext['layers'] = [];
  await inside(async ({ layers }) => {
    table = layers.map(({ name, shape, size, kind, role }) => ({ name, shape, size, kind, role })) as never;
  });
  return table;
}

it('warns of a layer that loses all weights, by name', async () => {
  const { model, events } = await begun(snip({ density: 0.0003 }));
  model[Symbol.dispose]();
  const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
  expect(warnings.length).toBeGreaterThan(0);
  expect(warnings[0]).toMatch(/^snip\(global\): layer '(conv1|conv2|fc)\.weight' lost all of its \d+ weights; raise/);
});

describe('probes', () => {
  const gradientOf = async ({ layers }: StrategyContext): Promise<number[]> => {
    const all = await Promise.all(layers.map(({ gradient }) => gradient.toArray()));
    return all.flatMap((values) => [...values]);
  };

  it('average over batches, divide the logits, and may see the images as they are', async () => {
    await inside(async (context) => {
      const probe = async (options: Parameters<StrategyContext['probeGradient']>[0]): Promise<number[]> => {
        await context.probeGradient(options);
        return gradientOf(context);
      };
      const one = await probe({ batches: 1 });
      expect(await probe({ batches: 1 })).toEqual(one);
      expect(await probe({ batches: 2 })).not.toEqual(one);
      expect(await probe({ batches: 1, augment: false })).not.toEqual(one);
      expect(await probe({ batches: 1, statistics: 'running' })).not.toEqual(one);
      // At a large temperature softmax is linear, so gradients fall as its inverse.
      const [hot, hotter] = [
        await probe({ batches: 1, temperature: 1000 }),
        await probe({ batches: 1, temperature: 2000 }),
      ];
      const largest = Math.max(...hot.map(Math.abs));
      for (const [i, value] of hot.entries())
        expect(Math.abs(value - 2 * (hotter[i] as number))).toBeLessThan(1e-3 * largest);
    });
  });

  it('take so many images of each class, others in each round', async () => {
    await inside(async (context) => {
      await context.probeGradient({ batches: { perClass: 5, parts: 2 } });
      const first = await gradientOf(context);
      await context.probeGradient({ batches: { perClass: 5, parts: 2, round: 1 } });
      expect(await gradientOf(context)).not.toEqual(first);
      await expect(context.probeGradient({ batches: { perClass: 13, parts: 2, round: 1 } })).rejects.toThrow(
        'probeGradient: class 0 of tiny has 24 training images, but 26 are needed; lower perClass',
      );
      await expect(context.probeGradient({ batches: { perClass: 1, parts: 5 } })).rejects.toThrow(
        '5 parts that share no class cannot be made of 4 classes',
      );
      await expect(context.probeGradient({ batches: 1, temperature: 0 })).rejects.toThrow('temperature is 0');
      await expect(context.probeGradient({ batches: 0 })).rejects.toThrow('batches is 0');
    });
  });

  it('curvature is linear and symmetric', async () => {
    await inside((context) =>
      scope(async () => {
        const { layers } = context;
        const direction = (name: string): Map<string, Tensor> =>
          new Map(
            layers.map((layer) => {
              const values = uniform(keyOf(1, `${name}/${layer.name}`), layer.size, -1, 1);
              return [layer.name, device.tensor(values, layer.shape, { activation: false })];
            }),
          );
        const times = async (along: Map<string, Tensor>): Promise<number[]> => {
          await context.probeCurvature({ batches: 1, along });
          return gradientOf(context);
        };
        const flat = async (along: Map<string, Tensor>): Promise<number[]> =>
          (await Promise.all([...along.values()].map((tensor) => tensor.toArray()))).flatMap((values) => [...values]);
        const dot = (x: number[], y: number[]): number =>
          x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
        const [u, v] = [direction('u'), direction('v')];
        const [hu, hv] = [await times(u), await times(v)];
        const [uhv, vhu] = [dot(await flat(u), hv), dot(await flat(v), hu)];
        expect(Math.abs(uhv - vhu) / Math.hypot(uhv, vhu)).toBeLessThan(0.02);
        for (const tensor of u.values()) device.native.addInto(tensor.handle, -3, tensor.handle); // u - 3u
        const scaled = await times(u);
        expect(dot(scaled, hu) / dot(hu, hu)).toBeCloseTo(-2, 2);
      }),
    );
  });
});

/** With a max pool, and an average pool that no decision concerns. */
class Pooled extends Classifier {
  readonly conv = new Conv2d(3, 8, { kernel: 3, padding: 1, role: 'stem' });
  readonly bn = new BatchNorm2d(8);
  readonly fc = new Linear(8, 4, { role: 'classifier' });

  forward(x: Tensor): Tensor {
    const tiles = { kernel: [2, 2], stride: [2, 2], padding: [0, 0] } as const;
    const hidden = maxPool2d(this.bn.apply(this.conv.forward(x), { relu: true }), tiles);
    return this.fc.forward(globalAvgPool(avgPool2d(hidden, tiles)));
  }
}

it('noted decisions give the network itself, and repeat on other images', async () => {
  using model = initialize(new Pooled('pooled', 4, 3), { device });
  const images = (name: string): Tensor => device.tensor(uniform(keyOf(2, name), 2 * 3 * 64, -1, 1), [2, 3, 8, 8]);
  using x = images('x');
  using other = images('other');
  model.eval();
  const close = async (a: Tensor, b: Tensor): Promise<number> => {
    const [p, q] = [await a.toArray(), await b.toArray()];
    return Math.max(...Array.from(p, (value, i) => Math.abs(value - (q[i] as number))));
  };
  await scope(async () => {
    using decisions = new Decisions();
    const plain = model.forward(x);
    expect(
      await close(
        decisions.note(() => model.forward(x)),
        plain,
      ),
    ).toBeLessThan(1e-6);
    expect(
      await close(
        decisions.repeat(() => model.forward(x)),
        plain,
      ),
    ).toBeLessThan(1e-6);
    // With the decisions of x the network is another function of other images.
    expect(
      await close(
        decisions.repeat(() => model.forward(other)),
        model.forward(other),
      ),
    ).toBeGreaterThan(1e-4);
  });
});
