// Trains small networks for a few steps with every optimizer, at every precision the device has: something to run under
// compute-sanitizer. Usage: node bench/gpu/smallNetwork.mjs DEVICE
import { createModel, evaluate, openDevice, resnet20, s2sam, sam, sgd, train } from '@s2sam/core';
import { syntheticImages } from '@s2sam/data';
import { erk, staticRandom } from '@s2sam/masks';

const device = await openDevice(process.argv[2]);
const base = sgd({ lr: 0.01, momentum: 0.9, weightDecay: 1e-4, nesterov: true, maxGradNorm: 10 });
const networks = {
  resnet20: { make: (dtype) => resnet20({ device, dtype, width: 8 }), size: 16 },
  // Max pool, large kernels, strided 1x1 convolutions.
  resnet18: { make: (dtype) => createModel('resnet18', { device, dtype, classes: 10 }), size: 32 },
};

for (const dtype of ['f32', 'bf16', 'f16'].filter((name) => device.supports(name))) {
  for (const [name, { make, size }] of Object.entries(networks)) {
    const data = syntheticImages({ classes: 10, size, train: 18, test: 7 });
    for (const optimizer of [s2sam(base), sam(base, { adaptive: true, rho: 0.5 })]) {
      const model = make(dtype);
      const sparsity = staticRandom({ density: 0.3, layout: erk() });
      const options = { data, optimizer, sparsity, steps: 3, batchSize: 6, evaluateEvery: 0, labelSmoothing: 0.1 };
      let loss = Number.NaN;
      for await (const event of train(model, options)) if (event.type === 'step') loss = event.loss;
      for await (const event of evaluate(model, { data, batchSize: 4 })) {
        if (event.type === 'result')
          console.log(
            `${name} ${dtype} ${optimizer.name}: loss ${loss.toFixed(3)}, test loss ${event.loss.toFixed(3)}`,
          );
      }
    }
  }
}
await device[Symbol.asyncDispose]();
