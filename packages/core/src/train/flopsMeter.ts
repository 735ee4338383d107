import type { Classifier } from '../models/classifier.js';
import { type ForwardFlops, forwardFlops, type LayerCost, layerCosts, stepFlops } from '../sparsity/flops.js';
import { densityOf } from '../sparsity/state.js';

/** What of a step decides its cost. */
export interface StepCost {
  /** Weight gradients at masked positions too. */
  readonly denseGradient: boolean;
  /** Masks are ignored altogether (policy `dense` of S2-SAM). */
  readonly ignoresMasks: boolean;
  /** Forward and backward passes. */
  readonly passes: 1 | 2;
  readonly images: number;
}

/** Adds up the FLOPs of a training, step by step, at the density of each. */
export class FlopsMeter {
  /** Of all steps so far. */
  total: number;
  readonly #model: Classifier;
  #image: readonly [number, number];
  #costs: readonly LayerCost[] | undefined;
  #forward: ForwardFlops | undefined;

  constructor(model: Classifier, imageShape: readonly number[], total: number) {
    const [, height = 1, width = 1] = imageShape;
    this.#model = model;
    this.#image = [height, width];
    this.total = total;
  }

  /** Of one image through the network under its masks as they are. */
  get forward(): ForwardFlops {
    if (this.#forward === undefined) {
      this.#costs ??= layerCosts(this.#model, this.#image);
      const { layers } = densityOf(this.#model.arena);
      this.#forward = forwardFlops(this.#costs, new Map(layers.map(({ name, density }) => [name, density])));
    }
    return this.#forward;
  }

  /** To be called after every change of the masks. */
  masksChanged(): void {
    this.#forward = undefined;
  }

  /** To be called when images of another height and width follow. */
  imagesChanged(size: number): void {
    this.#image = [size, size];
    this.#costs = undefined;
    this.#forward = undefined;
  }

  add({ denseGradient, ignoresMasks, passes, images }: StepCost): void {
    const { sparse, dense } = this.forward;
    this.total += images * stepFlops({ sparse: ignoresMasks ? dense : sparse, dense }, { denseGradient, passes });
  }
}
