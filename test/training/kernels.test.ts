import { openDevice, sgd, train } from '@s2sam/core';
import { staticRandom, uniform } from '@s2sam/masks';
import { expect, it } from 'vitest';
import { collect } from '../support/collect.js';
import { tinyData, tinyNet } from '../support/tiny.js';

it('a run tells once, behind its first step, how each pass of each layer is computed', async () => {
  await using device = await openDevice('cpu', { threads: 2 });
  using model = tinyNet(device);
  const sparsity = staticRandom({ density: 0.1, layout: uniform() });
  const optimizer = sgd({ lr: 0.01 });
  const events = await collect(train(model, { data: tinyData(), optimizer, sparsity, steps: 3, batchSize: 32 }));
  const told = events.filter((event) => event.type === 'kernels');
  expect(told).toHaveLength(1);
  expect(events.indexOf(told[0] as never)).toBe(events.findIndex(({ type }) => type === 'step') + 1);
  const [{ step, choices }] = told as [(typeof told)[number]];
  expect(step).toBe(1);
  // Forward, data gradient (not of the first layer) and weight gradient.
  expect(choices.map(({ label, op }) => `${label} ${op}`).toSorted()).toEqual([
    'conv1 conv2d',
    'conv1 conv2dBackwardWeight',
    'conv2 conv2d',
    'conv2 conv2dBackwardData',
    'conv2 conv2dBackwardWeight',
    'fc linear',
    'fc linearBackwardData',
    'fc linearBackwardWeight',
  ]);
  expect(choices.every(({ kernel }) => kernel.startsWith('sparse'))).toBe(true);
});
