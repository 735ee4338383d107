import {
  type Classifier,
  ConfigError,
  createModel,
  type Device,
  Loader,
  layerCosts,
  modelNames,
  type Optimizer,
  type Sgd,
  type StepResult,
  s2sam,
  sam,
  sgd,
  streamKey,
  TrainStep,
} from '@s2sam/core';
import { syntheticImages } from '@s2sam/data';
import type { FloatName } from '@s2sam/native';
import { type LayoutConfig, makeLayout } from '../sparsity/layout.js';

/** A training step to be looked at: what a command line says of it. */
export interface WorkloadOptions extends LayoutConfig {
  readonly model: string;
  /** Images per step. */
  readonly batch: number;
  /** Height and width. Default what the model was made for. */
  readonly imageSize?: number;
  /** Default that of the model. */
  readonly classes?: number;
  /** Share of the weights that is kept. */
  readonly density: number;
  readonly optimizer: OptimizerName;
  /** Default f32. */
  readonly dtype?: FloatName;
  readonly seed: number;
}

const wrappers = {
  sgd: (base: Sgd): Optimizer => base,
  sam: (base: Sgd): Optimizer => sam(base),
  s2sam: (base: Sgd): Optimizer => s2sam(base),
} as const;
export type OptimizerName = keyof typeof wrappers;
export const optimizerNames = Object.keys(wrappers) as readonly OptimizerName[];

/** Throws ConfigError for a model there is not, or a density no layout can give. */
export class Workload implements Disposable {
  readonly imageSize: number;
  /** Values that all convolutions compute for one image. */
  readonly convolutionOutputs: number;
  readonly #model: Classifier;
  readonly #loader: Loader;
  readonly #step: TrainStep;
  #done = 0;

  constructor(
    readonly device: Device,
    readonly options: WorkloadOptions,
  ) {
    const { model: name, batch, classes, density, seed, dtype = 'f32' } = options;
    if (!(modelNames as readonly string[]).includes(name)) {
      throw new ConfigError(`there is no model ${name}; models: ${modelNames.join(', ')}`, { op: 'model' });
    }
    const model = createModel(name, { device, seed, dtype, ...(classes === undefined ? {} : { classes }) });
    this.#model = model;
    const owned: Disposable[] = [model];
    try {
      this.imageSize = options.imageSize ?? model.imageSize;
      if (density < 1) drawMasks(model, options);
      const costs = layerCosts(model, [this.imageSize, this.imageSize]);
      this.convolutionOutputs = costs
        .filter(({ name }) => model.namedParameters().get(name)?.shape.length === 4)
        .reduce((sum, { outputs }) => sum + outputs, 0);
      const images = syntheticImages({ size: this.imageSize, classes: model.classes, train: 2 * batch, test: 1 });
      this.#loader = new Loader(device, images, images.train, { batchSize: batch, shuffle: { seed, augment: true } });
      owned.push(this.#loader);
      const base = sgd({ lr: 0.01, momentum: 0.9, weightDecay: 5e-4 });
      this.#step = new TrainStep(model, {
        optimizer: wrappers[options.optimizer](base),
        input: (dtype) => this.#loader.load(dtype),
      });
    } catch (error) {
      for (const one of owned.reverse()) one[Symbol.dispose]();
      throw error;
    }
  }

  /** Enqueues one step and resolves when it has run. */
  async step(): Promise<StepResult> {
    const step = this.#done++;
    const { batches } = this.#loader;
    await this.#loader.select(Math.floor(step / batches), step % batches);
    return await this.#step.run({ step, totalSteps: 1_000_000, stepsPerEpoch: batches });
  }

  /** The next step is recorded anew: on CUDA, to be timed op by op. */
  forget(): void {
    this.#step.forget();
  }

  /** The layers with weights, in the order of the forward pass, as profiles name them. */
  get layers(): string[] {
    return this.#model.arena.parameters
      .filter(({ kind }) => kind === 'weight')
      .map(({ name }) => name.replace(/\.weight$/, ''));
  }

  /** Kept weights of a layer. */
  kept(layer: string): number {
    const weight = this.#model.namedParameters().get(`${layer}.weight`);
    return weight?.mask?.kept ?? weight?.size ?? 0;
  }

  [Symbol.dispose](): void {
    this.#step[Symbol.dispose]();
    this.#loader[Symbol.dispose]();
    this.#model[Symbol.dispose]();
  }
}

/** Random masks with the layout's share of each layer; a layer that keeps everything gets none. */
function drawMasks(model: Classifier, options: WorkloadOptions): void {
  const layers = model.arena.parameters
    .filter(({ kind }) => kind === 'weight')
    .map((parameter) => {
      const { name, shape, size, role } = parameter;
      return {
        parameter,
        name,
        shape,
        size,
        role,
        kind: shape.length === 4 ? ('conv2d' as const) : ('linear' as const),
      };
    });
  const kept = makeLayout(options).allocate(layers, options.density);
  for (const { parameter, name, size } of layers) {
    const count = kept.get(name) ?? size;
    if (count === size) continue;
    const mask = model.arena.addMask(parameter);
    mask.random(count, streamKey(options.seed, name));
    mask.apply(parameter.value);
  }
}
