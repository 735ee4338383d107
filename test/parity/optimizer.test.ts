import { TrainStep } from '@s2sam/core';
import { expect, it } from 'vitest';
import { integers, keyOf, normal } from '../support/counter.js';
import { eachDevice } from '../support/devices.js';
import { golden, type Params } from '../support/golden.js';
import { applyMasks, optimizerOf, type SmallNet, smallNet } from '../support/smallNet.js';
import '../support/matchers.js';

/** The losses and gradient norms of all steps, on batches drawn as the golden files drew them. */
async function runSteps(model: SmallNet, params: Params): Promise<{ losses: number[]; gradNorms: number[] }> {
  const { device } = model;
  const { batch, steps, seed } = params as { batch: number[]; steps: number; seed: number };
  const count = batch.reduce((product, extent) => product * extent, 1);
  const size = batch[0] as number;
  using x = device.zeros(batch);
  using labels = device.zeros([size], { dtype: 'i32' });
  using trainStep = new TrainStep(model, { optimizer: optimizerOf(params), input: () => ({ x, labels }) });
  const results = [];
  for (let step = 0; step < steps; step++) {
    x.write(normal(keyOf(seed, 'golden/small/x', step), count, 0, 1));
    labels.write(integers(keyOf(seed, 'golden/small/labels', step), size, 10));
    results.push(await trainStep.run({ step, totalSteps: steps, stepsPerEpoch: steps }));
  }
  return { losses: results.map(({ loss }) => loss), gradNorms: results.map(({ gradNorm }) => gradNorm) };
}

eachDevice('20 optimizer steps on a small net', (device) => {
  it.each(golden('optimizers'))('$name', async ({ params, output, has }) => {
    using model = smallNet(device, params.seed);
    applyMasks(model, params.masks ?? {}, params.seed);
    const { losses, gradNorms } = await runSteps(model, params);
    expect(losses).toBeCloseToTensor(output('losses'));
    expect(gradNorms).toBeCloseToTensor(output('grad_norms'));
    for (const [name, parameter] of model.namedParameters()) {
      expect(await parameter.value.toArray()).toBeCloseToTensor(output(name));
      if (has(`momentum/${name}`)) {
        expect(await parameter.storage.momentum.toArray()).toBeCloseToTensor(output(`momentum/${name}`));
      }
    }
    for (const [name, buffer] of model.namedBuffers()) {
      expect(await buffer.tensor.toArray()).toBeCloseToTensor(output(name));
    }
  });
});
