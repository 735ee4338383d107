import { createModel, Loader, s2sam, sam, sgd, streamKey, TrainStep } from '@s2sam/core';
import { syntheticImages } from '@s2sam/data';
import { er, erk, rules, uniform } from '@s2sam/masks';

const WRAPPERS = { sgd: (base) => base, sam: (base) => sam(base), s2sam: (base) => s2sam(base) };
export const optimizerNames = Object.keys(WRAPPERS);
/** The optimizer of this name, with the settings that PyTorch's programs have. */
export const optimizerOf = (name) => WRAPPERS[name](sgd({ lr: 0.01, momentum: 0.9, weightDecay: 5e-4 }));
/** `uniform` leaves the first convolution and the classifier dense, as published figures do. */
const LAYOUTS = { uniform: () => uniform({ dense: rules.stemAndClassifier }), er, erk };
export const layoutNames = Object.keys(LAYOUTS);

/** Noise; how fast a step is does not depend on what is in the images. Shared by all contestants of one size. */
export function noiseImages({ batch, imageSize, classes }) {
  return syntheticImages({ size: imageSize, classes, train: Math.max(4 * batch, Math.min(2048, 16 * batch)), test: 1 });
}

/** What is measured, in words. */
export function nameOf(who, { sparsity, layout, dtype = 'f32' }) {
  const precision = dtype === 'f32' ? '' : ` ${dtype}`;
  return `${who} ${sparsity === 0 ? 'dense' : `at sparsity ${sparsity} ${layout}`}${precision}`;
}

/** Random masks with this sparsity, spread as the layout says. */
export function sparsify(model, sparsity, layout) {
  const layers = model.arena.parameters
    .filter(({ kind }) => kind === 'weight')
    .map((parameter) => {
      const { name, shape, size, role } = parameter;
      return { parameter, name, shape, size, role, kind: shape.length === 4 ? 'conv2d' : 'linear' };
    });
  const kept = LAYOUTS[layout]().allocate(layers, 1 - sparsity);
  for (const { parameter, name, size } of layers) {
    if (kept.get(name) === size) continue;
    const mask = model.arena.addMask(parameter);
    mask.random(kept.get(name), streamKey(0, name));
    mask.apply(parameter.value);
  }
}

/** Our training step as users run it: batches drawn, cropped, flipped and normalised on the device, every step's loss read. */
export class Ours {
  /** Most megabytes in tensors at once: weights, optimizer state, images of the data set, activations. Known after a step. */
  peakMB;
  #device;
  /** Bytes that live as long as the contestant. */
  #lasting = 0;
  #loader;
  #step;
  #model;
  #done = 0;

  /** `images`: of `noiseImages`. Throws where the device has not what is asked for, having freed everything. */
  constructor(device, { model, batch, sparsity, layout, optimizer, dtype, images }) {
    this.name = nameOf(`s2sam ${optimizer}`, { sparsity, layout, dtype });
    this.sparsity = sparsity;
    this.optimizer = optimizer;
    this.#device = device;
    const before = device.memory().active;
    try {
      this.#model = createModel(model, { device, classes: images.classes, dtype });
      if (sparsity > 0) sparsify(this.#model, sparsity, layout);
      this.#loader = new Loader(device, images, images.train, {
        batchSize: batch,
        shuffle: { seed: 0, augment: true },
      });
      this.#step = new TrainStep(this.#model, {
        optimizer: optimizerOf(optimizer),
        input: (type) => this.#loader.load(type),
      });
      this.#lasting = device.memory().active - before;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Seconds per step over `steps` steps; the next step is enqueued before the result of the last one is awaited. */
  async run(steps) {
    if (this.peakMB === undefined) await this.#watchMemory();
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

  /** The first step is recorded, and all its tensors are made then; replays make none. */
  async #watchMemory() {
    const others = this.#device.memory().active - this.#lasting;
    this.#device.resetPeakMemory();
    await this.#enqueue();
    this.peakMB = (this.#device.memory().peak - others) / 1e6;
  }

  async #enqueue() {
    const step = this.#done++;
    const { batches } = this.#loader;
    await this.#loader.select(Math.floor(step / batches), step % batches);
    return await this.#step.run({ step, totalSteps: 1_000_000, stepsPerEpoch: batches });
  }
}
