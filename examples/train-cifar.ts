// Trains a ResNet-32 with a tenth of its weights on CIFAR-10 with S2-SAM.
//   node examples/dist/train-cifar.js [--dataset cifar10|procedural] [--steps N] [--save FILE]
import { parseArgs } from 'node:util';
import { cosine, openDevice, resnet32, s2sam, sgd, train } from '@s2sam/core';
import { type DatasetName, openDataset } from '@s2sam/data';
import { erk, staticRandom } from '@s2sam/masks';

const { values } = parseArgs({
  options: {
    dataset: { type: 'string', default: 'cifar10' },
    steps: { type: 'string', default: '2000' },
    save: { type: 'string' },
  },
});

// Made-up images stand in where CIFAR-10 is neither found nor to be downloaded; the notice says so.
const { dataset, notice } = await openDataset(values.dataset as DatasetName, { fallback: true });
if (notice !== undefined) console.log(notice);

// Ctrl-C finishes the running step; everything below is then freed in order.
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());

await using device = await openDevice();
using model = resnet32({ classes: dataset.classes, device, seed: 0 });
const run = train(model, {
  data: dataset,
  steps: Number(values.steps),
  batchSize: 128,
  optimizer: s2sam(sgd({ lr: cosine(0.1, { warmupEpochs: 0.2 }), momentum: 0.9, weightDecay: 5e-4 }), { rho: 0.05 }),
  sparsity: staticRandom({ density: 0.1, layout: erk() }),
  signal: interrupt.signal,
});

for await (const event of run) {
  if (event.type === 'start') {
    console.log(
      `${event.model} on ${event.dataset.name}: ${event.nonZero} of ${event.parameters} parameters are alive`,
    );
  }
  if (event.type === 'step' && event.step % 50 === 0) {
    console.log(`step ${event.step}  loss ${event.loss.toFixed(3)}  ${event.imagesPerSecond.toFixed(0)} img/s`);
  }
  if (event.type === 'epoch' && event.testAccuracy !== undefined) {
    console.log(`epoch ${event.epoch}  test accuracy ${(100 * event.testAccuracy).toFixed(1)} %`);
  }
}
if (values.save !== undefined) await run.save(values.save);
