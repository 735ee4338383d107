import { cosine, createModel, Loader, s2sam, sam, sgd, streamKey, TrainStep } from '@s2sam/core';
import { erk } from '@s2sam/masks';

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

/** Masks with this sparsity, spread as ERK says, drawn at random. */
function sparsify(model, sparsity) {
  const weights = model.arena.parameters.filter(({ kind }) => kind === 'weight');
  const layers = weights.map((p) => ({
    name: p.name,
    shape: p.shape,
    size: p.size,
    kind: p.shape.length === 4 ? 'conv2d' : 'linear',
    role: p.role,
  }));
  const kept = erk().allocate(layers, 1 - sparsity);
  for (const parameter of weights) {
    const mask = model.arena.addMask(parameter);
    mask.random(kept.get(parameter.name), streamKey(0, parameter.name));
    mask.apply(parameter.value);
  }
}

/** Our training step as users run it: batches drawn, cropped, flipped and normalised on the device, every step's loss read. */
export class Ours {
  #loader;
  #step;
  #model;
  #done = 0;

  constructor(device, { model, batch, sparsity, optimizer }) {
    const data = randomImages();
    this.name = `s2sam ${optimizer} ${sparsity === 0 ? 'dense' : `${sparsity * 100} % sparse`}`;
    this.sparsity = sparsity;
    this.optimizer = optimizer;
    this.#model = createModel(model, { device, classes: data.classes });
    if (sparsity > 0) sparsify(this.#model, sparsity);
    this.#loader = new Loader(device, data, data.train, { batchSize: batch, shuffle: { seed: 0, augment: true } });
    const base = sgd({ lr: cosine(0.01), momentum: 0.9, weightDecay: 5e-4 });
    this.#step = new TrainStep(this.#model, { optimizer: WRAPPERS[optimizer](base), input: () => this.#loader.load() });
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
    if (!Number.isFinite(loss))
      throw new Error(`${this.name}: the loss became ${loss}; this measurement means nothing`);
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
