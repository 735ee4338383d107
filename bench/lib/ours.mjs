import { createModel, Loader, s2sam, sam, sgd, streamKey, TrainStep } from '@s2sam/core';
import { syntheticImages } from '@s2sam/data';
import { erk } from '@s2sam/masks';

const WRAPPERS = { sgd: (base) => base, sam: (base) => sam(base), s2sam: (base) => s2sam(base) };
export const optimizerNames = Object.keys(WRAPPERS);

/** Noise; how fast a step is does not depend on what is in the images. Shared by all contestants of one size. */
export function noiseImages({ batch, imageSize, classes }) {
  return syntheticImages({ size: imageSize, classes, train: Math.max(4 * batch, Math.min(2048, 16 * batch)), test: 1 });
}

/** Random masks with this sparsity, spread as ERK says. */
function sparsify(model, sparsity) {
  const layers = model.arena.parameters
    .filter(({ kind }) => kind === 'weight')
    .map((parameter) => {
      const { name, shape, size, role } = parameter;
      return { parameter, name, shape, size, role, kind: shape.length === 4 ? 'conv2d' : 'linear' };
    });
  const kept = erk().allocate(layers, 1 - sparsity);
  for (const { parameter, name } of layers) {
    const mask = model.arena.addMask(parameter);
    mask.random(kept.get(name), streamKey(0, name));
    mask.apply(parameter.value);
  }
}

/** Our training step as users run it: batches drawn, cropped, flipped and normalised on the device, every step's loss read. */
export class Ours {
  #loader;
  #step;
  #model;
  #done = 0;

  /** `images`: of `noiseImages`. Throws where the device has not what is asked for, having freed everything. */
  constructor(device, { model, batch, sparsity, optimizer, dtype, images }) {
    const precision = dtype === 'f32' ? '' : ` ${dtype}`;
    this.name = `s2sam ${optimizer} ${sparsity === 0 ? 'dense' : `at sparsity ${sparsity}`}${precision}`;
    this.sparsity = sparsity;
    this.optimizer = optimizer;
    try {
      this.#model = createModel(model, { device, classes: images.classes, dtype });
      if (sparsity > 0) sparsify(this.#model, sparsity);
      this.#loader = new Loader(device, images, images.train, {
        batchSize: batch,
        shuffle: { seed: 0, augment: true },
      });
      this.#step = new TrainStep(this.#model, {
        optimizer: WRAPPERS[optimizer](sgd({ lr: 0.01, momentum: 0.9, weightDecay: 5e-4 })),
        input: (type) => this.#loader.load(type),
      });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Seconds per step over `steps` steps; the next step is enqueued before the result of the last one is awaited. */
  async run(steps) {
    const begin = performance.now();
    let running;
    for (let i = 0; i < steps; i++) {
      const next = this.#enqueue();
      await running;
      running = next;
    }
    const { loss } = await running;
    if (!Number.isFinite(loss)) throw new Error(`${this.name}: the loss became ${loss}; the figures mean nothing`);
    return (performance.now() - begin) / 1000 / steps;
  }

  close() {
    this.#step?.[Symbol.dispose]();
    this.#loader?.[Symbol.dispose]();
    this.#model?.[Symbol.dispose]();
  }

  #enqueue() {
    const step = this.#done++;
    const { batches } = this.#loader;
    this.#loader.select(Math.floor(step / batches), step % batches);
    return this.#step.run({ step, totalSteps: 1_000_000, stepsPerEpoch: batches });
  }
}
