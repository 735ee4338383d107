import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Classifier,
  createModel,
  type Device,
  Loader,
  type Optimizer,
  openDevice,
  readCheckpoint,
  s2sam,
  sam,
  sgd,
  TrainStep,
  train,
} from '@s2sam/core';
import { erk, staticRandom } from '@s2sam/masks';
import { expect, it } from 'vitest';
import { bitsOf, collect, steps } from '../support/collect.js';
import { eachDevice } from '../support/devices.js';
import { tinyData, tinyNet } from '../support/tiny.js';

/** How far a loss may lie from that of f32 over 30 steps: the spacing of the type, times the steps a difference grows over. */
const LOSS_TOLERANCE = { f32: 0, bf16: 0.05, f16: 0.01 } as const;
type Precision = keyof typeof LOSS_TOLERANCE;
const precisions = Object.keys(LOSS_TOLERANCE) as Precision[];

const base = sgd({ lr: 0.05, momentum: 0.9, weightDecay: 5e-4 });
const data = tinyData();
const sparsity = () => staticRandom({ density: 0.3, layout: erk() });

async function trained(device: Device, dtype: Precision, optimizer: Optimizer, count: number) {
  const model = tinyNet(device, { dtype });
  const events = await collect(train(model, { data, optimizer, sparsity: sparsity(), steps: count, batchSize: 20 }));
  return { model, steps: steps(events) };
}

eachDevice('precision', (device) => {
  it.each(precisions.filter((dtype) => !device.supports(dtype)))('%s is refused where the device has none', (dtype) => {
    expect(() => createModel('resnet20', { device, dtype })).toThrow(
      expect.objectContaining({
        code: 'ERR_DTYPE',
        message: expect.stringMatching(/use dtype 'f32' or a CUDA device/),
      }),
    );
    expect(() => device.zeros([4], { dtype })).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
  });

  it.each(precisions.filter((dtype) => device.supports(dtype)))(
    '%s: with rho = 0 S2-SAM is SGD bit for bit',
    async (dtype) => {
      const plain = await trained(device, dtype, base, 30);
      const perturbed = await trained(device, dtype, s2sam(base, { rho: 0 }), 30);
      using first = plain.model;
      using second = perturbed.model;
      expect(perturbed.steps.map(({ loss }) => loss)).toEqual(plain.steps.map(({ loss }) => loss));
      expect(await bitsOf(second)).toEqual(await bitsOf(first));
    },
  );

  it.each(precisions.filter((dtype) => dtype !== 'f32' && device.supports(dtype)))(
    '%s: losses follow those of f32',
    async (dtype) => {
      for (const optimizer of [base, s2sam(base, { rho: 0.05 }), sam(base, { rho: 0.05 })]) {
        const wide = await trained(device, 'f32', optimizer, 30);
        const narrow = await trained(device, dtype, optimizer, 30);
        wide.model[Symbol.dispose]();
        narrow.model[Symbol.dispose]();
        expect(narrow.steps.at(-1)?.lossScale, optimizer.name).toBe(dtype === 'f16' ? 65536 : undefined);
        for (const [i, { loss }] of narrow.steps.entries()) {
          const gap = Math.abs(loss - (wide.steps[i]?.loss ?? Number.NaN));
          expect(gap, `${optimizer.name}, step ${i + 1}`).toBeLessThan(LOSS_TOLERANCE[dtype]);
        }
      }
    },
  );

  it.skipIf(device.kind === 'cpu')('f32: 50 losses are those of the CPU (skipped on the CPU itself)', async () => {
    const cpu = await openDevice('cpu', { threads: 2 });
    for (const optimizer of [base, s2sam(base, { rho: 0.05 }), sam(base, { rho: 0.05 })]) {
      const reference = await trained(cpu, 'f32', optimizer, 50);
      const here = await trained(device, 'f32', optimizer, 50);
      reference.model[Symbol.dispose]();
      here.model[Symbol.dispose]();
      for (const [i, { loss }] of here.steps.entries()) {
        const gap = Math.abs(loss - (reference.steps[i]?.loss ?? Number.NaN));
        expect(gap, `${optimizer.name}, step ${i + 1}`).toBeLessThan(1e-3);
      }
    }
    await cpu[Symbol.asyncDispose]();
  });

  it('a 16-bit copy is the working weights rounded, of matrix weights only', async () => {
    for (const dtype of precisions) {
      if (!device.supports(dtype)) continue;
      using model = (await trained(device, dtype, s2sam(base, { rho: 0.1 }), 5)).model;
      for (const [name, { storage, kind }] of model.namedParameters()) {
        const { compute, working } = storage;
        expect(compute?.dtype, name).toBe(kind === 'weight' && dtype !== 'f32' ? dtype : undefined);
        if (compute === undefined) continue;
        using rounded = device.zeros(compute.shape, { dtype, activation: false });
        rounded.copyFrom(working);
        expect(await compute.toArray(), name).toEqual(await rounded.toArray());
      }
    }
  });

  /** Steps of a tiny network whose loss is multiplied by so much that the first gradients overflow in f16. */
  const overflowing = async (model: Classifier, count: number) => {
    using loader = new Loader(device, data, data.train, { batchSize: 20 });
    using step = new TrainStep(model, { optimizer: s2sam(base), input: (dtype) => loader.load(dtype) });
    step.state.resumeCounts({ skippedSteps: 0, skippedPerturbations: 0, lossScale: 2 ** 24, goodSteps: 0 });
    const results = [];
    for (let i = 0; i < count; i++) {
      await loader.select(0, i % loader.batches);
      results.push(await step.run({ step: i, totalSteps: count, stepsPerEpoch: loader.batches }));
    }
    return results;
  };

  it.skipIf(!device.supports('f16'))(
    'f16: steps that overflow are left out until the scale fits (skipped where the device stores no f16)',
    async () => {
      using model = tinyNet(device, { dtype: 'f16' });
      const results = await overflowing(model, 30);
      const { skippedSteps, lossScale } = results.at(-1) as (typeof results)[number];
      expect(skippedSteps).toBeGreaterThan(0);
      expect(skippedSteps).toBeLessThan(20);
      expect(lossScale).toBe(2 ** (24 - skippedSteps));
      expect(results.filter(({ gradNorm }) => !Number.isFinite(gradNorm))).toHaveLength(skippedSteps);
      expect(results.slice(20).every(({ gradNorm }) => Number.isFinite(gradNorm))).toBe(true);
      for (const { storage } of model.namedParameters().values()) {
        expect((await storage.value.toArray()).every((value) => Number.isFinite(value))).toBe(true);
      }
    },
  );

  it.each(precisions.filter((dtype) => device.supports(dtype)))(
    '%s: resumes bit for bit, with its loss scale',
    async (dtype) => {
      const folder = await mkdtemp(join(tmpdir(), 's2sam-precision-'));
      const options = { data, optimizer: s2sam(base), steps: 12, batchSize: 20, evaluateEvery: 0 };
      const path = join(folder, 'at6.safetensors');
      using straight = tinyNet(device, { dtype });
      const run = train(straight, { ...options, sparsity: sparsity() });
      const whole = [];
      for await (const event of run) {
        if (event.type !== 'step') continue;
        whole.push(event);
        if (event.step === 6) await run.save(path);
      }
      const checkpoint = await readCheckpoint(path);
      const { step, counts } = checkpoint.position;
      expect(checkpoint.position.dtype).toBe(dtype);
      expect(counts).toEqual({
        skippedSteps: 0,
        skippedPerturbations: 0,
        lossScale: dtype === 'f16' ? 65536 : 0,
        goodSteps: dtype === 'f16' ? step : 0,
      });
      using resumed = tinyNet(device, { dtype, seed: 9 });
      const rest = steps(await collect(train(resumed, { ...options, sparsity: sparsity(), resume: checkpoint })));
      expect(rest.map(({ loss }) => loss)).toEqual(whole.slice(step).map(({ loss }) => loss));
      expect(await bitsOf(resumed)).toEqual(await bitsOf(straight));
      await rm(folder, { recursive: true });
    },
  );

  it('a checkpoint of another precision is refused', async () => {
    const folder = await mkdtemp(join(tmpdir(), 's2sam-precision-'));
    const path = join(folder, 'end.safetensors');
    using model = tinyNet(device);
    const run = train(model, { data, optimizer: base, steps: 2, batchSize: 20, evaluateEvery: 0 });
    await collect(run);
    await run.save(path);
    const checkpoint = await readCheckpoint(path);
    const resume = { ...checkpoint, position: { ...checkpoint.position, dtype: 'bf16' as const } };
    expect(() => train(model, { data, optimizer: base, steps: 4, batchSize: 20, resume })).toThrow(
      /dtype bf16 there, f32 here/,
    );
    await rm(folder, { recursive: true });
  });
});
