// Replays a recorded training step many times; fails when memory grows. Usage: node bench/gpu/manySteps.mjs DEVICE [STEPS]
import { createModel, Loader, openDevice, s2sam, sgd, TrainStep } from '@s2sam/core';
import { syntheticImages } from '@s2sam/data';

const BATCH = 128;
/** What the process may grow by between the two looks: garbage that has not been collected yet. */
const RSS_SLACK = 64 * 2 ** 20;

const [wish, count = '1000'] = process.argv.slice(2);
const steps = Number(count);
const device = await openDevice(wish);
const model = createModel('resnet32', { device, dtype: device.supports('bf16') ? 'bf16' : 'f32' });
const data = syntheticImages({ classes: 10, size: 32, train: 8 * BATCH, test: 1 });
const loader = new Loader(device, data, data.train, { batchSize: BATCH, shuffle: { seed: 0, augment: true } });
const step = new TrainStep(model, {
  optimizer: s2sam(sgd({ lr: 0.01, momentum: 0.9 })),
  input: (dtype) => loader.load(dtype),
});

async function run(from, to) {
  let running;
  for (let i = from; i < to; i++) {
    await loader.select(Math.floor(i / loader.batches), i % loader.batches);
    const next = step.run({ step: i, totalSteps: steps, stepsPerEpoch: loader.batches });
    await running;
    running = next;
  }
  await running;
  const { active, cached, tensors, masks, graphs } = device.memory();
  return { active, cached, tensors, masks, graphs, rss: process.memoryUsage().rss };
}

const settled = Math.ceil(steps / 10);
const before = await run(0, settled);
const begin = performance.now();
const after = await run(settled, steps);
const milliseconds = (performance.now() - begin) / (steps - settled);

const grown = Object.keys(before).filter((what) => after[what] > before[what] + (what === 'rss' ? RSS_SLACK : 0));
const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
console.log(
  `${steps} steps of ${model.name} ${model.dtype}, ${milliseconds.toFixed(2)} ms each; device memory ` +
    `${mebibytes(before.active + before.cached)} after ${settled}, ${mebibytes(after.active + after.cached)} at the end`,
);
if (grown.length > 0) {
  console.error(`grew: ${grown.map((what) => `${what} from ${before[what]} to ${after[what]}`).join(', ')}`);
  process.exitCode = 1;
}
await device[Symbol.asyncDispose]();
