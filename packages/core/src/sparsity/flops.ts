import { Tape } from '../autograd/tape.js';
import type { Classifier } from '../models/classifier.js';
import { dryPass } from '../models/dryPass.js';
import { Parameter } from '../nn/parameter.js';

/** What one convolution or linear layer costs for one image, dense. */
export interface LayerCost {
  /** Of its weight, e.g. `layer1.0.conv1.weight`. */
  readonly name: string;
  /** Multiply-adds of a forward pass. */
  readonly macs: number;
  /** Values it computes. */
  readonly outputs: number;
}

/** FLOPs of a forward pass of one image: with the masks (f_S) and without (f_D). */
export interface ForwardFlops {
  readonly sparse: number;
  readonly dense: number;
}

/**
 * `multiplyAdd`: 2 per multiply-add of a kept weight. `rigl`: beside that 1 per output, what RigL's counter adds for bias and ReLU
 * of every layer. Batch norm and pooling are counted by neither.
 */
export type FlopsCounter = 'multiplyAdd' | 'rigl';

/** Notes what is computed with weights, and asks for no derivative. */
class CostTape extends Tape {
  readonly costs = new Map<string, LayerCost>();

  override note(entry: Parameters<Tape['note']>[0], inputs: Parameters<Tape['note']>[1]): boolean {
    for (const input of inputs) {
      if (!(input instanceof Parameter) || input.kind !== 'weight') continue;
      const [, channels = 1, ...image] = entry.output.shape;
      const places = image.reduce((product, extent) => product * extent, 1);
      const { macs = 0, outputs = 0 } = this.costs.get(input.name) ?? {};
      this.costs.set(input.name, {
        name: input.name,
        macs: macs + input.size * places,
        outputs: outputs + channels * places,
      });
    }
    return false;
  }
}

/**
 * Cost of each convolution and linear layer for images [height, width], in the order of the forward pass. A forward pass is recorded
 * but not run.
 */
export function layerCosts(model: Classifier, size: readonly [number, number]): LayerCost[] {
  const tape = new CostTape();
  dryPass(model, size, tape);
  return [...tape.costs.values()];
}

/** FLOPs of a forward pass of one image. @param densities kept share per layer, by name; a layer that is not there is dense */
export function forwardFlops(
  costs: readonly LayerCost[],
  densities: ReadonlyMap<string, number>,
  counter: FlopsCounter = 'multiplyAdd',
): ForwardFlops {
  let [sparse, dense] = [0, 0];
  for (const { name, macs, outputs } of costs) {
    const extra = counter === 'rigl' ? outputs : 0;
    sparse += 2 * macs * (densities.get(name) ?? 1) + extra;
    dense += 2 * macs + extra;
  }
  return { sparse, dense };
}

export interface StepFlopsOptions {
  /** Weight gradients at masked positions too: in this step, or in one after every `n` steps without (RigL). Default false. */
  readonly denseGradient?: boolean | { readonly afterEvery: number };
  /** Forward and backward passes: 2 for SAM. Default 1. */
  readonly passes?: 1 | 2;
}

/**
 * FLOPs of a training step for one image: forward, gradient of the activations, gradient of the weights. 3 f_S; with a dense gradient
 * 2 f_S + f_D; with one after every n other steps their mean, (3 n f_S + 2 f_S + f_D) / (n + 1) (Evci et al. 2020, appendix H).
 */
export function stepFlops({ sparse, dense }: ForwardFlops, options: StepFlopsOptions = {}): number {
  const { denseGradient = false, passes = 1 } = options;
  const often = typeof denseGradient === 'object' ? 1 / (denseGradient.afterEvery + 1) : denseGradient ? 1 : 0;
  return passes * (3 * sparse + often * (dense - sparse));
}
