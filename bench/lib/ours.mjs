import { createModel, Loader, s2sam, sam, sgd, TrainStep } from '@s2sam/core';
import { erk, staticRandom } from '@s2sam/masks';

const IMAGES = 2048;
const WRAPPERS = { sgd: (base) => base, sam: (base) => sam(base), s2sam: (base) => s2sam(base) };
export const optimizerNames = Object.keys(WRAPPERS);

/** Random images of CIFAR's shape; how fast a step is does not depend on what is in them. */
function randomImages() {
  const images = new Uint8Array(IMAGES * 3 * 32 * 32);
  for (let i = 0; i < images.length; i++) images[i] = (i * 2654435761) >>> 24;
  const split = { size: IMAGES, images, labels: Uint8Array.from({ length: IMAGES }, (_, index) => index % 10) };
  return {
    name: 'random',
    synthetic: true,
    classes: 10,
    imageShape: [3, 32, 32],
    mean: [0.5, 0.5, 0.5],
    std: [0.25, 0.25, 0.25],
    augmentation: { pad: 4, flip: true },
    train: split,
    test: split,
  };
}

/** Random masks with this sparsity, spread as ERK says. */
async function sparsify(model, sparsity) {
  const layers = model.arena.parameters
    .filter(({ kind }) => kind === 'weight')
    .map((parameter) => {
      const { name, shape, size, role, value } = parameter;
      const kind = shape.length === 4 ? 'conv2d' : 'linear';
      return { name, shape, size, role, kind, value, mask: model.arena.addMask(parameter) };
    });
  await staticRandom({ density: 1 - sparsity, layout: erk() }).init({ layers, seed: 0 });
  for (const { mask, value } of layers) mask.apply(value);
}

/** Our training step as users run it: batches drawn, cropped, flipped and normalised on the device, every step's loss read. */
export class Ours {
  #loader;
  #step;
  #model;
  #done = 0;

  static async start(device, options) {
    const ours = new Ours(device, options);
    if (options.sparsity > 0) await sparsify(ours.#model, options.sparsity);
    ours.#step = new TrainStep(ours.#model, {
      optimizer: WRAPPERS[options.optimizer](sgd({ lr: 0.01, momentum: 0.9, weightDecay: 5e-4 })),
      input: () => ours.#loader.load(),
    });
    return ours;
  }

  /** @private Use `start`. */
  constructor(device, { model, batch, sparsity, optimizer }) {
    const data = randomImages();
    this.name = `s2sam ${optimizer} ${sparsity === 0 ? 'dense' : `at sparsity ${sparsity}`}`;
    this.sparsity = sparsity;
    this.optimizer = optimizer;
    this.#model = createModel(model, { device, classes: data.classes });
    this.#loader = new Loader(device, data, data.train, { batchSize: batch, shuffle: { seed: 0, augment: true } });
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
    this.#step[Symbol.dispose]();
    this.#loader[Symbol.dispose]();
    this.#model[Symbol.dispose]();
  }

  #enqueue() {
    const step = this.#done++;
    const { batches } = this.#loader;
    this.#loader.select(Math.floor(step / batches), step % batches);
    return this.#step.run({ step, totalSteps: 1_000_000, stepsPerEpoch: batches });
  }
}
