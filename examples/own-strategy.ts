// A mask strategy of one's own: every few steps the weakest tenth of each layer moves, half of it to where the gradient is
// largest and half to random places.
//   node examples/dist/own-strategy.js [--steps N]
import { parseArgs } from 'node:util';
import { abs, type MaskStrategy, openDevice, resnet20, s2sam, scope, sgd, streamKey, train } from '@s2sam/core';
import { openDataset } from '@s2sam/data';
import { erk, staticRandom } from '@s2sam/masks';

function wandering({ density, every }: { density: number; every: number }): MaskStrategy {
  const start = staticRandom({ density, layout: erk() });
  return {
    name: 'wandering',
    init: (context) => start.init(context),
    // Asked before every step: this one needs the gradient of masked weights too, and the masks edited once it is done.
    needs: (step) => ((step + 1) % every === 0 ? { denseGradient: true, skipOptimizerStep: true, update: true } : {}),
    update: ({ layers, seed, step }) =>
      scope(() => {
        for (const { mask, weight, gradient, name } of layers) {
          const count = mask.full ? 0 : Math.floor(mask.kept / 10);
          mask.drop(abs(weight), count);
          mask.grow(abs(gradient), Math.floor(count / 2));
          // Random choices are keyed, so every device, rank and resumed run makes the same.
          mask.growRandom(Math.ceil(count / 2), streamKey(seed, name, step));
        }
      }),
  };
}

const { values } = parseArgs({ options: { steps: { type: 'string', default: '200' } } });
const { dataset } = await openDataset('procedural');
await using device = await openDevice();
using model = resnet20({ classes: dataset.classes, device, seed: 0 });
const run = train(model, {
  data: dataset,
  steps: Number(values.steps),
  batchSize: 64,
  evaluateEvery: 0,
  optimizer: s2sam(sgd({ lr: 0.05, momentum: 0.9 })),
  sparsity: wandering({ density: 0.1, every: 4 }),
});
for await (const event of run) {
  if (event.type !== 'mask') continue;
  const kept = event.layers.reduce((sum, layer) => sum + layer.kept, 0);
  console.log(`step ${event.step}  ${kept} weights  masks ${event.checksum}`);
}
