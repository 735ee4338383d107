import { openDevice, resnet20, s2sam, sgd, train } from '@s2sam/core';
import { staticRandom } from '@s2sam/masks';
import { expect, it } from 'vitest';
import { tinyData } from '../support/tiny.js';

it('a 10 ms timer keeps firing while training steps run', async () => {
  await using device = await openDevice('cpu');
  using model = resnet20({ device, classes: 4 });
  const data = tinyData(512, 40, 4, 32);
  const run = train(model, {
    data,
    optimizer: s2sam(sgd({ lr: 0.05 })),
    sparsity: staticRandom({ density: 0.1 }),
    steps: 12,
    batchSize: 128,
    evaluateEvery: 0,
  });
  let ticks = 0;
  let timer: NodeJS.Timeout | undefined;
  let begin = 0;
  let longestStep = 0;
  for await (const event of run) {
    if (event.type !== 'step') continue;
    longestStep = Math.max(longestStep, event.stepMs);
    if (timer === undefined) {
      begin = performance.now();
      timer = setInterval(() => {
        ticks += 1;
      }, 10);
    }
  }
  clearInterval(timer);
  const expected = (performance.now() - begin) / 10;
  // A step must be long enough that a blocked loop would show.
  expect(longestStep).toBeGreaterThan(20);
  expect(ticks).toBeGreaterThan(expected / 2);
});
