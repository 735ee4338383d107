import {
  type MaskStrategy,
  mul,
  type ProbeOptions,
  type SparseLayer,
  type StrategyContext,
  scope,
  type Tensor,
} from '@s2sam/core';
import { checkDensity, checkPositive, checkWhole } from './checks.js';
import { global, keepLargest, type Ranking } from './ranking.js';
import { redraw } from './redraw.js';

export interface GraspOptions {
  /** Share of the weights kept, in (0, 1]. */
  readonly density: number;
  /** `global()` (default) ranks all weights together; or a layout, which ranks within layers. */
  readonly layout?: Ranking;
  /** Images per class. Default 10; the authors have 5 in 2 rounds for CIFAR-100 at density 0.02. */
  readonly perClass?: number;
  /** Selections of images, over which scores are added up. Default 1. */
  readonly rounds?: number;
  /** Batches of a selection, each with classes of its own. Default 2; more where two are too large for the device's memory. */
  readonly parts?: number;
  /** Divides the logits. Default 200. */
  readonly temperature?: number;
  /** Score with the classifier drawn anew, Xavier-normal. Default true, as the authors do. */
  readonly redrawClassifier?: boolean;
}

/**
 * GraSP (Wang et al. 2020): before training, keeps the weights whose removal would reduce the gradient's norm most, those with the
 * smallest -w * (H g), and never changes the masks. The batches of a selection hold different classes and have batch-norm statistics of
 * their own. Warns of a layer that loses all weights.
 *
 * Throws ConfigError for options out of range; `init` throws it where a layout would leave a layer without weights, and where a
 * class has too few images.
 */
export function grasp(options: GraspOptions): MaskStrategy {
  const { density, layout = global(), perClass = 10, rounds = 1, parts = 2, temperature = 200 } = options;
  const name = `grasp(${layout.name})`;
  checkDensity(name, density);
  checkWhole(name, 'perClass', perClass);
  checkWhole(name, 'rounds', rounds);
  checkWhole(name, 'parts', parts);
  checkPositive(name, 'temperature', temperature);
  return {
    name,
    init: (context) =>
      scope(async () => {
        if (options.redrawClassifier !== false) redrawClassifiers(context);
        const scores = await hessianScores(context, { perClass, rounds, parts, temperature });
        await keepLargest(name, context, { density, ranking: layout }, (layer) => scores.get(layer) as Tensor);
      }),
  };
}

/** Xavier-normal classifiers for the scoring. */
export function redrawClassifiers({ layers, seed }: StrategyContext): void {
  redraw(
    layers.filter(({ role }) => role === 'classifier'),
    'xavier',
    seed,
  );
}

/** w * (H g) for each layer: the larger, the more the weight is worth. For tests; the scope of the caller frees them. */
export async function hessianScores(
  { layers, probeGradient, probeCurvature }: StrategyContext,
  {
    perClass,
    rounds,
    parts,
    temperature,
  }: Required<Pick<GraspOptions, 'perClass' | 'rounds' | 'parts' | 'temperature'>>,
): Promise<Map<SparseLayer, Tensor>> {
  const total = async (probe: (options: ProbeOptions) => Promise<void>): Promise<Tensor[]> => {
    const sums = layers.map(({ weight }) => weight.device.zeros(weight.shape, { activation: false }));
    for (let round = 0; round < rounds; round++) {
      await probe({ batches: { perClass, parts, round }, temperature });
      for (const [i, { gradient }] of layers.entries()) {
        gradient.device.native.addInto(gradient.handle, 1, (sums[i] as Tensor).handle);
      }
    }
    return sums;
  };
  const gradients = await total(probeGradient);
  const along = new Map(layers.map(({ name }, i) => [name, gradients[i] as Tensor]));
  const products = await total((options) => probeCurvature({ ...options, along }));
  return new Map(layers.map((layer, i) => [layer, mul(layer.weight, products[i] as Tensor)]));
}
