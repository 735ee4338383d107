import { ConfigError } from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import { er, erk, type LayerShape, rules, uniform } from '../src/index.js';
import { layer, resnet32, resnet50, vgg19 } from './networks.js';

const weightsOf = (layers: readonly LayerShape[]) => layers.reduce((total, { size }) => total + size, 0);
const keptOf = (allocation: ReadonlyMap<string, number>) => [...allocation.values()].reduce((a, b) => a + b, 0);

it('the tables of this test have the weight counts of the literature', () => {
  expect(weightsOf(resnet32(10))).toBe(1_855_584);
  expect(weightsOf(resnet32(100))).toBe(1_867_104);
  expect(weightsOf(vgg19(10))).toBe(20_024_000);
  expect(weightsOf(resnet50())).toBe(25_502_912);
});

describe('erk', () => {
  /** Numbers computed with RigL's reference algorithm; densities are rounded to 5 digits. */
  const vectors: [
    name: string,
    layers: LayerShape[],
    density: number,
    eps: number,
    dense: string[],
    densities: Record<string, number>,
  ][] = [
    [
      'ResNet-50 at 0.2',
      resnet50(),
      0.2,
      99.56117,
      [
        'layer1.0.conv1',
        'layer1.0.conv3',
        'layer1.0.downsample.0',
        'layer1.1.conv1',
        'layer1.1.conv3',
        'layer1.2.conv1',
        'layer1.2.conv3',
        'layer2.0.conv1',
      ],
      {
        conv1: 0.85719,
        'layer1.0.conv2': 0.3619,
        'layer2.1.conv2': 0.1769,
        'layer2.0.conv3': 0.97532,
        'layer4.1.conv2': 0.04347,
        fc: 0.14818,
      },
    ],
    [
      'ResNet-50 at 0.1',
      resnet50(),
      0.1,
      48.7861,
      ['layer1.0.conv1'],
      { conv1: 0.42003, 'layer1.0.conv3': 0.95881, 'layer1.0.conv2': 0.17734, 'layer4.1.conv2': 0.0213, fc: 0.07261 },
    ],
    [
      'ResNet-32 with 10 classes at 0.1',
      resnet32(10),
      0.1,
      38.1182,
      ['conv1', 'layer2.0.shortcut.0', 'fc'],
      {
        'layer1.0.conv1': 0.28953,
        'layer2.0.conv1': 0.21094,
        'layer2.1.conv1': 0.13856,
        'layer3.0.conv1': 0.10237,
        'layer3.1.conv1': 0.06773,
        'layer3.0.shortcut.0': 0.9027,
      },
    ],
    [
      'ResNet-32 with 10 classes at 0.05',
      resnet32(10),
      0.05,
      18.68475,
      ['fc'],
      { conv1: 0.88666, 'layer1.0.conv1': 0.14192, 'layer3.1.conv1': 0.0332 },
    ],
    [
      'ResNet-32 with 100 classes at 0.1',
      resnet32(100),
      0.1,
      36.8629,
      ['conv1', 'layer2.0.shortcut.0'],
      { 'layer1.0.conv1': 0.27999, 'layer3.1.conv1': 0.0655, fc: 0.65662 },
    ],
    [
      'VGG-19 with 10 classes at 0.1',
      vgg19(10),
      0.1,
      189.6552,
      ['conv0', 'fc'],
      { conv1: 0.68939, conv2: 0.50933, conv5: 0.16656, conv9: 0.0828 },
    ],
  ];

  it.each(vectors)('%s', (_, layers, density, eps, dense, densities) => {
    const allocation = erk().allocate(layers, density);
    const full = layers.filter(({ name, size }) => allocation.get(name) === size).map(({ name }) => name);
    expect(full).toEqual(dense.map((name) => `${name}.weight`));

    for (const [name, expected] of Object.entries(densities)) {
      const { size } = layers.find((one) => one.name === `${name}.weight`) as LayerShape;
      const above = (allocation.get(`${name}.weight`) as number) / size - expected;
      // Kept weights are rounded up to a whole one, the expected density to its fifth digit.
      expect(above, name).toBeGreaterThanOrEqual(-5.01e-6);
      expect(above, name).toBeLessThan(1 / size + 5.01e-6);
    }

    // Every other layer keeps eps * raw density * size weights, rounded up; eps is known to four digits after the point.
    for (const { name, shape } of layers.filter(({ name }) => !full.includes(name))) {
      const extents = shape.reduce((a, b) => a + b, 0);
      expect(allocation.get(name), name).toBeGreaterThanOrEqual(Math.ceil((eps - 5e-5) * extents));
      expect(allocation.get(name), name).toBeLessThanOrEqual(Math.ceil((eps + 5e-5) * extents));
    }
  });

  it.each([
    ['ResNet-50', resnet50()],
    ['ResNet-32', resnet32(10)],
    ['VGG-19', vgg19(100)],
  ])('%s: keeps at least the density asked for, and less than one weight per layer more', (_, layers) => {
    for (const density of [0.001, 0.01, 0.02, 0.05, 1 - 0.9, 0.1, 0.2, 0.5, 0.8, 0.99, 1]) {
      for (const layout of [erk(), er(), erk({ powerScale: 0.5 }), uniform()]) {
        const allocation = layout.allocate(layers, density);
        const extra = keptOf(allocation) - density * weightsOf(layers);
        expect(extra, `${layout.name} ${density}`).toBeGreaterThan(-1e-4);
        expect(extra, `${layout.name} ${density}`).toBeLessThan(layers.length);
        for (const { name, size } of layers) {
          expect(Number.isInteger(allocation.get(name))).toBe(true);
          expect(allocation.get(name)).toBeGreaterThan(0);
          expect(allocation.get(name)).toBeLessThanOrEqual(size);
        }
      }
    }
  });

  it('makes layers of equal raw density dense together, whatever the order of their extents', () => {
    // Raw densities 12/32, 12/32 and 200/10000. First round: eps = 1006.4 / 224 = 4.49, both small layers pass 1.
    // Second round: eps = (1006.4 - 64) / 200 = 4.712, so 0.09424 of 10000.
    const layers = [layer('a', [4, 8]), layer('b', [8, 4]), layer('c', [100, 100])];
    expect([...erk().allocate(layers, 0.1).values()]).toEqual([32, 32, 943]);
  });

  it('moves only the largest per round and goes on until the rest fits', () => {
    // Raw 4/4, 8/16, 200/10000; total 10020 at 0.06 is 601.2. Round 1: eps = 601.2 / 212 = 2.84, a passes 1.
    // Round 2: eps = 597.2 / 208 = 2.87, b (1.44) passes. Round 3: eps = 581.2 / 200 = 2.906, c keeps 0.05812 of 10000.
    const layers = [layer('a', [2, 2]), layer('b', [4, 4]), layer('c', [100, 100])];
    expect([...erk().allocate(layers, 0.06).values()]).toEqual([4, 16, 582]);
  });

  it('pays for layers forced dense with the others', () => {
    const layers = resnet32(10);
    const layout = erk({ dense: rules.mest });
    expect(layout.name).toBe('erk(mest)');
    const allocation = layout.allocate(layers, 0.1);
    for (const { name, size, role } of layers) {
      if (role !== 'body') expect(allocation.get(name), name).toBe(size);
    }
    expect(keptOf(allocation) - 0.1 * weightsOf(layers)).toBeLessThan(layers.length);
    expect(keptOf(allocation)).toBeGreaterThanOrEqual(0.1 * weightsOf(layers));
  });

  it('is uniform with a power scale of 0', () => {
    const layers = vgg19(10);
    expect(erk({ powerScale: 0 }).allocate(layers, 0.3)).toEqual(uniform().allocate(layers, 0.3));
  });

  it('says so where the layers forced dense leave nothing', () => {
    const layers = [layer('a', [10, 10]), layer('b', [30, 30])];
    const layout = erk({ dense: rules.named('a.weight') });
    expect(() => layout.allocate(layers, 0.1)).toThrow(ConfigError);
    expect(() => layout.allocate(layers, 0.1)).toThrow(
      'erk: density 0.1 of 1000 weights is 100, but the layers forced dense (a.weight) already hold 100; ' +
        'raise the density above 0.1000 or leave fewer layers dense',
    );
    expect([...layout.allocate(layers, 0.101).values()]).toEqual([100, 1]);
    expect(() => erk({ dense: rules.named('a.weight', 'b.weight') }).allocate(layers, 0.5)).toThrow(ConfigError);
    expect([
      ...erk({ dense: rules.named('a.weight', 'b.weight') })
        .allocate(layers, 1)
        .values(),
    ]).toEqual([100, 900]);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses the power scale %d', (powerScale) => {
    expect(() => erk({ powerScale })).toThrow(`erk: powerScale is ${powerScale}`);
    expect(() => er({ powerScale })).toThrow(ConfigError);
  });
});

describe('er', () => {
  it('leaves the kernel size out', () => {
    // Raw densities (8 + 8) / 64 = 0.25 and (16 + 16) / 256 = 0.125, over 576 and 2304 weights: eps = 288 / (144 + 288) = 2/3.
    const layers = [layer('a', [8, 8, 3, 3]), layer('b', [16, 16, 3, 3])];
    expect([...er().allocate(layers, 0.1).values()]).toEqual([96, 192]);
    expect(er().name).toBe('er');
  });

  it('equals erk on linear layers', () => {
    const layers = [layer('a', [300, 784]), layer('b', [100, 300]), layer('c', [10, 100])];
    expect(er().allocate(layers, 0.05)).toEqual(erk().allocate(layers, 0.05));
  });
});

describe('uniform', () => {
  it('removes floor((1 - density) * size) weights of every layer', () => {
    const layers = [layer('a', [10, 10]), layer('b', [7, 11]), layer('c', [1, 3]), layer('d', [1000])];
    // 90 of 100, 69.3 of 77, 2.7 of 3, 900 of 1000 removed.
    expect([...uniform().allocate(layers, 0.1).values()]).toEqual([10, 8, 1, 100]);
    // 20, 15.4, 0.6, 200 removed, and 45, 34.65, 1.35, 450; products such as 0.55 * 100 are a little off in binary.
    expect([...uniform().allocate(layers, 0.8).values()]).toEqual([80, 62, 3, 800]);
    expect([...uniform().allocate(layers, 0.55).values()]).toEqual([55, 43, 2, 550]);
    expect([...uniform().allocate(layers, 1).values()]).toEqual([100, 77, 3, 1000]);
  });

  it.each([
    [0.1, 0.89399],
    [0.05, 0.94366],
    [0.02, 0.97346],
  ])('with the rule of MEST, the nominal density %d is a sparsity of %d', (density, sparsity) => {
    // Dense are 864 + 2048 + 8192 + 1280 = 12,384 of the 1,855,584 weights, on top of the density of the other 1,843,200.
    const layers = resnet32(10);
    const allocation = uniform({ dense: rules.mest }).allocate(layers, density);
    expect(1 - keptOf(allocation) / weightsOf(layers)).toBeCloseTo(sparsity, 4);
  });
});

describe('layer rules', () => {
  const names = (rule: (typeof rules)['none']) => [...rule.denseLayers(resnet32(10))];

  it('select by role', () => {
    expect(names(rules.none)).toEqual([]);
    expect(names(rules.stem)).toEqual(['conv1.weight']);
    expect(names(rules.stemAndClassifier)).toEqual(['conv1.weight', 'fc.weight']);
    const shortcuts = ['layer2.0.shortcut.0.weight', 'layer3.0.shortcut.0.weight'];
    expect(names(rules.stemAndShortcuts)).toEqual(['conv1.weight', ...shortcuts]);
    expect(names(rules.mest)).toEqual(['conv1.weight', ...shortcuts, 'fc.weight']);
  });

  it('select by name, and name the nearest for an unknown one', () => {
    expect(names(rules.named('fc.weight'))).toEqual(['fc.weight']);
    const wrong = uniform({ dense: rules.named('fc.weight', 'layer2.1.conv1.wieght') });
    expect(() => wrong.allocate(resnet32(10), 0.1)).toThrow(ConfigError);
    expect(() => wrong.allocate(resnet32(10), 0.1)).toThrow(
      "no sparse layer is called 'layer2.1.conv1.wieght'; did you mean 'layer2.1.conv1.weight'?",
    );
    expect(() => wrong.allocate([], 0.1)).toThrow('the model has no sparse layers');
  });
});

it.each([0, -0.1, 1.0001, Number.NaN, 90])('layouts refuse the density %d', (density) => {
  for (const layout of [uniform(), er(), erk()]) {
    expect(() => layout.allocate(resnet32(10), density)).toThrow(ConfigError);
    expect(() => layout.allocate(resnet32(10), density)).toThrow(
      `${layout.name}: density is ${density}; it is the share`,
    );
  }
});
