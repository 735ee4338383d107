import {
  createModel,
  type Device,
  forwardFlops,
  type LayerCost,
  type Layout,
  layerCosts,
  openDevice,
  stepFlops,
} from '@s2sam/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { er, erk, type LayerShape, rules, uniform } from '../src/index.js';
import { layer } from './networks.js';

/** A network as FLOPs accounting sees it. */
interface Net {
  readonly layers: LayerShape[];
  readonly costs: LayerCost[];
}

let device: Device;
const nets: Record<string, Net> = {};

/** Shapes and costs of one of our models. */
function measured(name: string, size: number, classes: number): Net {
  using model = createModel(name, { device, classes });
  const layers = [...model.namedParameters().values()]
    .filter(({ kind }) => kind === 'weight')
    .map(({ name, shape, role }) => layer(name.replace(/\.weight$/, ''), shape, role));
  return { layers, costs: layerCosts(model, [size, size]) };
}

/** Wide ResNet 22-2 for 32x32 images, by hand: three stages of three blocks, 32, 64 and 128 channels, 1x1 convolution where they widen. */
function wideResnet22x2(): Net {
  const net: Net = { layers: [], costs: [] };
  const add = (
    name: string,
    shape: readonly number[],
    side: number,
    role?: 'stem' | 'shortcut' | 'classifier',
  ): void => {
    const added = layer(name, shape, role);
    net.layers.push(added);
    const outputs = (shape[0] as number) * side * side;
    net.costs.push({ name: added.name, macs: added.size * side * side, outputs });
  };
  add('conv1', [16, 3, 3, 3], 32, 'stem');
  let inputs = 16;
  for (const [stage, width] of [32, 64, 128].entries()) {
    const side = 32 / 2 ** stage;
    for (let block = 0; block < 3; block++) {
      add(`${stage}.${block}.conv1`, [width, inputs, 3, 3], side);
      add(`${stage}.${block}.conv2`, [width, width, 3, 3], side);
      if (inputs !== width) add(`${stage}.${block}.shortcut`, [width, inputs, 1, 1], side, 'shortcut');
      inputs = width;
    }
  }
  add('fc', [10, 128], 1, 'classifier');
  return net;
}

beforeAll(async () => {
  device = await openDevice('cpu', { threads: 1 });
  nets['ResNet-32'] = measured('resnet32', 32, 10);
  nets['ResNet-32/100'] = measured('resnet32', 32, 100);
  nets['VGG-19'] = measured('vgg19', 32, 10);
  nets['VGG-19/100'] = measured('vgg19', 32, 100);
  nets['ResNet-34'] = measured('resnet34', 224, 1000);
  nets['ResNet-50'] = measured('resnet50', 224, 1000);
  nets['WRN-22-2'] = wideResnet22x2();
});
afterAll(() => device[Symbol.asyncDispose]());

const net = (name: string): Net => nets[name] as Net;

function densities({ layers }: Net, layout: Layout, density: number): Map<string, number> {
  const allocation = layout.allocate(layers, density);
  return new Map(layers.map(({ name, size }) => [name, (allocation.get(name) as number) / size]));
}

const stemDense = uniform({ dense: rules.stem });

describe('costs of layers', () => {
  it.each([
    ['ResNet-32', 275_612_928],
    ['ResNet-32/100', 275_624_448],
    ['VGG-19', 398_136_320],
    ['VGG-19/100', 398_182_400],
    ['WRN-22-2', 157_730_048],
    ['ResNet-34', 3_663_761_408],
    ['ResNet-50', 4_089_184_256],
  ])('%s takes %i multiply-adds per image, as the literature counts them', (name, macs) => {
    expect(net(name).costs.reduce((sum, cost) => sum + cost.macs, 0)).toBe(macs);
    expect(
      net(name)
        .costs.map((cost) => cost.name)
        .sort(),
    ).toEqual(
      net(name)
        .layers.map((one) => one.name)
        .sort(),
    );
    expect(forwardFlops(net(name).costs, new Map())).toEqual({ sparse: 2 * macs, dense: 2 * macs });
  });

  it('of one layer by hand', () => {
    // 64 filters of 3 x 7 x 7 at 112 x 112 places.
    const [stem] = net('ResNet-50').costs;
    expect(stem).toEqual({ name: 'conv1.weight', macs: 64 * 3 * 49 * 112 * 112, outputs: 64 * 112 * 112 });
    expect(net('ResNet-50').costs.at(-1)).toEqual({ name: 'fc.weight', macs: 2_048_000, outputs: 1000 });
  });

  it('leaves the model in the mode it was in, and no tensor behind', () => {
    using model = createModel('resnet20', { device });
    model.train();
    const before = device.memory();
    layerCosts(model, [8, 8]);
    expect(model.training).toBe(true);
    expect(device.memory().tensors).toBe(before.tensors);
  });
});

/** Ratios recomputed by the survey of the literature, not by this code; three digits after the point. */
describe('inference FLOPs, sparse over dense', () => {
  it.each<[string, Layout, number, number]>([
    ['ResNet-50', erk(), 0.2, 0.4138],
    ['ResNet-50', erk(), 0.1, 0.2418],
    ['ResNet-50', erk(), 0.05, 0.1217],
    ['ResNet-50', erk(), 0.035, 0.0852],
    ['ResNet-50', stemDense, 0.2, 0.2231],
    ['ResNet-50', stemDense, 0.1, 0.126],
    ['ResNet-50', er(), 0.2, 0.453],
    ['ResNet-34', erk(), 0.2, 0.4274],
    ['ResNet-34', erk(), 0.1, 0.2268],
    ['WRN-22-2', erk(), 0.2, 0.3521],
    ['WRN-22-2', stemDense, 0.2, 0.2022],
    ['ResNet-32', erk(), 0.1, 0.1749],
    ['ResNet-32', erk(), 0.05, 0.0878],
    ['ResNet-32', erk(), 0.02, 0.0346],
    ['ResNet-32', stemDense, 0.1, 0.1029],
    ['ResNet-32', stemDense, 0.05, 0.053],
    ['ResNet-32', stemDense, 0.02, 0.0231],
    ['ResNet-32', uniform({ dense: rules.mest }), 0.1, 0.1063],
    ['ResNet-32', uniform({ dense: rules.mest }), 0.05, 0.0567],
    ['ResNet-32', uniform({ dense: rules.mest }), 0.02, 0.0269],
    ['VGG-19', erk(), 0.1, 0.2225],
    ['VGG-19', erk(), 0.05, 0.1131],
    ['VGG-19', erk(), 0.02, 0.0475],
    ['VGG-19', stemDense, 0.1, 0.104],
    ['VGG-19', stemDense, 0.05, 0.0542],
    ['VGG-19', stemDense, 0.02, 0.0244],
  ])('$0, layout $1.name at density $2: $3', (name, layout, density, expected) => {
    const { sparse, dense } = forwardFlops(net(name).costs, densities(net(name), layout, density));
    expect(Math.abs(sparse / dense - expected)).toBeLessThan(0.001);
  });

  it.each<[Layout, number, number]>([
    [erk(), 0.2, 0.4146],
    [erk(), 0.1, 0.2429],
    [erk(), 0.05, 0.1229],
    [erk(), 0.035, 0.0864],
    [stemDense, 0.2, 0.2241],
    [stemDense, 0.1, 0.1272],
  ])("ResNet-50 with RigL's counter, layout $0.name at density $1: $2", (layout, density, expected) => {
    const resnet = net('ResNet-50');
    const { sparse, dense } = forwardFlops(resnet.costs, densities(resnet, layout, density), 'rigl');
    expect(Math.abs(sparse / dense - expected)).toBeLessThan(0.001);
    expect(dense / 1e9).toBeCloseTo(8.19, 2);
  });
});

describe('training FLOPs over those of dense training', () => {
  const ratio = (layout: Layout, density: number, options: Parameters<typeof stepFlops>[1]): number => {
    const flops = forwardFlops(net('ResNet-50').costs, densities(net('ResNet-50'), layout, density));
    return stepFlops(flops, options) / (3 * flops.dense);
  };

  it.each<[string, Layout, number, Parameters<typeof stepFlops>[1], number]>([
    ['static masks, SET, MEST', erk(), 0.1, {}, 0.2418],
    ['RigL', erk(), 0.2, { denseGradient: { afterEvery: 100 } }, 0.4157],
    ['RigL', erk(), 0.1, { denseGradient: { afterEvery: 100 } }, 0.2443],
    ['RigL', erk(), 0.05, { denseGradient: { afterEvery: 100 } }, 0.1246],
    ['RigL', erk(), 0.035, { denseGradient: { afterEvery: 100 } }, 0.0882],
    ['RigL', stemDense, 0.2, { denseGradient: { afterEvery: 100 } }, 0.2257],
    ['RigL', stemDense, 0.1, { denseGradient: { afterEvery: 100 } }, 0.1289],
    ['SNFS', erk(), 0.2, { denseGradient: true }, 0.6092],
    ['SNFS', erk(), 0.1, { denseGradient: true }, 0.4946],
    ['static masks under SAM', erk(), 0.1, { passes: 2 }, 2 * 0.2418],
  ])('ResNet-50, $0, layout $1.name at density $2', (_, layout, density, options, expected) => {
    expect(Math.abs(ratio(layout, density, options) - expected)).toBeLessThan(0.001);
  });

  it.each([
    [0.2, 0.559],
    [0.1, 0.504],
  ])('ResNet-50, gradual pruning to density %d: %d', (density, expected) => {
    // Zhu and Gupta's cubic from step 10,000 to 25,000 of 32,000; the recount averages over 0, 1000, ..., 32,000, both ends included.
    const at = (step: number): number => {
      const done = Math.min(1, Math.max(0, (step - 10_000) / 15_000));
      return 1 - (1 - density) * (1 - (1 - done) ** 3);
    };
    let mean = 0;
    for (let step = 0; step <= 32_000; step += 1000) mean += ratio(stemDense, at(step), {}) / 33;
    expect(Math.abs(mean - expected)).toBeLessThan(0.001);
  });

  it('a dense network trains at three times its forward pass', () => {
    expect(stepFlops({ sparse: 7, dense: 7 })).toBe(21);
    expect(stepFlops({ sparse: 7, dense: 7 }, { denseGradient: true, passes: 2 })).toBe(42);
    // RigL's formula: (3 f_S n + 2 f_S + f_D) / (n + 1) = (3 * 2 * 4 + 4 + 10) / 5.
    expect(stepFlops({ sparse: 2, dense: 10 }, { denseGradient: { afterEvery: 4 } })).toBeCloseTo(38 / 5, 12);
  });
});
