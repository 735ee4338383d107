import { expect, it } from 'vitest';
import { type ArenaOptions, TestArena } from '../support/arena.js';
import { mask as drawMask, keyOf, normal } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { expected } from '../support/golden.js';
import '../support/matchers.js';

/**
 * SAM and S2-SAM on the quadratic L = w'Aw / 2 from w = (1, 1) with lr 0.1 and momentum 0.9, worked out by an independent calculator
 * in double precision. Each row is one step.
 */
type Row = readonly [number, number];
const diagonal = [
  [1, 0],
  [0, 4],
] as const;
const plain = {
  sgd: [
    [0.899, 0.599],
    [0.717301, -0.002099],
    [0.481324499, -0.542246401],
    [0.2203318737, -0.8109382551],
  ],
  sam: [
    [0.8977873219, 0.57959715],
    [0.7133138154, -0.0498342954],
    [0.4704274599, -0.5909562289],
    [0.203340649, -0.8213771864],
  ],
  s2sam: [
    [0.899, 0.599],
    [0.7160883219, -0.02150185],
    [0.4774836509, -0.5901979304],
    [0.2095619675, -0.8681302133],
  ],
  e: [
    [0, 0],
    [0.0121267813, 0.048507125],
    [0.0165924011, 0.0471666431],
    [0.0495163087, 0.0069379514],
  ],
  g: [
    [1, 4],
    [0.9111267813, 2.5900285],
    [0.732680723, 0.1026591726],
    [0.5269999597, -2.3330399159],
  ],
} satisfies Record<string, Row[]>;

const coupled = [
  [1, 0.5],
  [0.5, 4],
] as const;
const masked = {
  dense: {
    e: [
      [0, 0],
      [0.0447213595, 0.0223606798],
      [0.0431063981, 0.0253345307],
      [0.042431293, 0.0264496763],
    ],
    w: [0.9, 0.7144098301, 0.4703603278, 0.1981141298],
  },
  masked: {
    e: [
      [0, 0],
      [0.05, 0],
      [0.05, 0],
      [0.05, 0],
    ],
    w: [0.9, 0.715, 0.472, 0.2011],
  },
} satisfies Record<string, { e: Row[]; w: number[] }>;

const gradientOf = (a: readonly (readonly number[])[], w: ArrayLike<number>): number[] =>
  a.map((row) => row.reduce((sum, value, i) => sum + value * (w[i] as number), 0));
const length = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));

const COUNT = 1000;
const randomWeights = Array.from(normal(keyOf(0, 'weights'), COUNT, 0, 1));
const randomGradient = (step: number): Float32Array => normal(keyOf(0, 'gradient', step), COUNT, 0, 0.1);
const randomMask = Array.from(drawMask(keyOf(0, 'mask'), COUNT, 100));

eachDevice('SAM and S2-SAM, native ops', (device) => {
  const start = { weights: [1, 1], weightDecay: 0.01 };

  it('SGD, SAM and S2-SAM follow the table of the quadratic', async () => {
    using sgd = new TestArena(device, start);
    using sam = new TestArena(device, start);
    using s2sam = new TestArena(device, start);
    for (const [t, weights] of plain.sgd.entries()) {
      sgd.writeGradient(gradientOf(diagonal, await sgd.read('working')));
      sgd.step(false);
      expect(await sgd.read('master')).toBeCloseToTensor(expected(`SGD w, step ${t}`, weights, 1e-6));

      sam.writeGradient(gradientOf(diagonal, await sam.read('master')));
      sam.perturb();
      sam.writeGradient(gradientOf(diagonal, await sam.read('working')));
      sam.step(false);
      expect(await sam.read('master')).toBeCloseToTensor(expected(`SAM w, step ${t}`, plain.sam[t] as Row, 1e-6));

      expect(await s2sam.perturbation()).toBeCloseToTensor(expected(`S2-SAM e, step ${t}`, plain.e[t] as Row, 1e-5));
      s2sam.writeGradient(gradientOf(diagonal, await s2sam.read('working')));
      expect(await s2sam.read('gradient')).toBeCloseToTensor(expected(`S2-SAM g, step ${t}`, plain.g[t] as Row, 1e-6));
      s2sam.step(true);
      expect(await s2sam.read('master')).toBeCloseToTensor(
        expected(`S2-SAM w, step ${t}`, plain.s2sam[t] as Row, 1e-6),
      );
    }
  });

  it.each(['dense', 'masked'] as const)('policy %s follows the table of the masked quadratic', async (policy) => {
    using arena = new TestArena(device, { weights: [1, 1], mask: [1, 0], policy });
    const table = masked[policy];
    for (const [t, weight] of table.w.entries()) {
      expect(await arena.perturbation()).toBeCloseToTensor(expected(`e, step ${t}`, table.e[t] as Row, 1e-5));
      arena.writeGradient(gradientOf(coupled, await arena.read('working')));
      arena.step(true);
      expect(await arena.read('master')).toBeCloseToTensor(expected(`w, step ${t}`, [weight, 0], 1e-6));
    }
  });

  it.each([
    ['plain', {}],
    ['masked', { mask: randomMask }],
    ['dense policy', { mask: randomMask, policy: 'dense' }],
    ['clipped', { maxNorm: 0.01 }],
  ] as [string, Partial<ArenaOptions>][])('|e| is rho: %s', async (_, options) => {
    const rho = 0.5;
    using arena = new TestArena(device, { weights: new Array(COUNT).fill(0), ...options, rho, lr: 0 });
    arena.writeGradient(randomGradient(0));
    arena.step(true);
    expect(Math.abs(length(await arena.perturbation()) / rho - 1)).toBeLessThan(1e-6);
    arena.perturb();
    expect(Math.abs(length(await arena.perturbation()) / rho - 1)).toBeLessThan(1e-6);
  });

  it('adaptive: e is rho w^2 g / | |w| g |', async () => {
    const rho = 0.5;
    using arena = new TestArena(device, { weights: randomWeights, rho, adaptive: true });
    const gradient = randomGradient(0);
    arena.writeGradient(gradient);
    arena.perturb();
    const norm = length(gradient.map((g, i) => g * (randomWeights[i] as number)));
    const e = Array.from(gradient, (g, i) => (rho * (randomWeights[i] as number) ** 2 * g) / norm);
    expect(await arena.perturbation()).toBeCloseToTensor(expected('adaptive e', e, 1e-5));
  });

  it.each([2 ** -20, 0.3, 1000])('a loss scaled by %d leaves e as it is', async (factor) => {
    const perturbationAt = async (scale: number): Promise<Float32Array> => {
      using arena = new TestArena(device, { weights: new Array(COUNT).fill(0), lr: 0, mask: randomMask });
      arena.writeGradient(randomGradient(0).map((value) => value * scale));
      arena.step(true);
      return await arena.perturbation();
    };
    expect(await perturbationAt(factor)).toBeCloseToTensor(expected('e', await perturbationAt(1), 1e-6));
  });

  it.each([false, true])('rho = 0 is SGD, bit for bit (nesterov %s)', async (nesterov) => {
    const options = { weights: randomWeights, mask: randomMask, weightDecay: 0.01, nesterov, maxNorm: 1, rho: 0 };
    using sgd = new TestArena(device, options);
    using s2sam = new TestArena(device, options);
    for (let step = 0; step < 5; step++) {
      for (const arena of [sgd, s2sam]) arena.writeGradient(randomGradient(step));
      sgd.step(false);
      s2sam.step(true);
      for (const name of ['master', 'momentum', 'working'] as const) {
        expect(await s2sam.read(name), `${name} at step ${step}`).toEqual(await sgd.read(name));
      }
      expect(await s2sam.read('working')).toEqual(await s2sam.read('master'));
    }
  });

  it('policy masked: masked weights, momentum and working copy stay exactly 0', async () => {
    using arena = new TestArena(device, { weights: randomWeights, mask: randomMask, weightDecay: 0.01, rho: 0.5 });
    const dead = randomMask.flatMap((kept, i) => (kept === 0 ? [i] : []));
    for (let step = 0; step < 10; step++) {
      arena.writeGradient(randomGradient(step));
      arena.step(true);
      for (const name of ['master', 'momentum', 'working'] as const) {
        const values = await arena.read(name);
        expect(
          dead.filter((i) => values[i] !== 0),
          `${name} at step ${step}`,
        ).toEqual([]);
        expect(length(values)).toBeGreaterThan(0);
      }
    }
  });

  it('policy dense: the master is masked, the working copy and momentum are not', async () => {
    using arena = new TestArena(device, { weights: randomWeights, mask: randomMask, policy: 'dense', rho: 0.5 });
    arena.writeGradient(randomGradient(0));
    arena.step(true);
    const [master, momentum, working] = [
      await arena.read('master'),
      await arena.read('momentum'),
      await arena.read('working'),
    ];
    const dead = randomMask.flatMap((kept, i) => (kept === 0 ? [i] : []));
    expect(dead.filter((i) => master[i] !== 0)).toEqual([]);
    expect(dead.filter((i) => momentum[i] === 0 || working[i] === 0)).toEqual([]);
  });

  it('a zero gradient perturbs nothing and is counted', async () => {
    using arena = new TestArena(device, { weights: randomWeights });
    arena.writeGradient(new Float32Array(COUNT));
    arena.step(true);
    expect(await arena.read('working')).toEqual(await arena.read('master'));
    expect(await arena.stat('skippedPerturbations')).toBe(1);
    expect(await arena.stat('skippedSteps')).toBe(0);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('a gradient with %d skips the step and is counted', async (value) => {
    using arena = new TestArena(device, { weights: randomWeights });
    arena.writeGradient(randomGradient(0));
    arena.step(true);
    const [master, momentum] = [await arena.read('master'), await arena.read('momentum')];
    arena.writeGradient(randomGradient(1).fill(value, 3, 4));
    arena.step(true);
    expect(await arena.read('master')).toEqual(master);
    expect(await arena.read('momentum')).toEqual(momentum);
    expect(await arena.read('working')).toEqual(master);
    expect(await arena.stat('skippedSteps')).toBe(1);
  });
});
