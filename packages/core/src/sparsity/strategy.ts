import type { Tensor } from '../tensor/tensor.js';
import type { Mask } from './mask.js';

/** What a layer is in its network; layer rules of the literature speak in these words. */
export type LayerRole = 'stem' | 'body' | 'shortcut' | 'classifier';

/** A parameter that may be masked: a convolution or linear weight. */
export interface SparseLayer {
  /** Parameter name as in the checkpoint, e.g. `layer1.0.conv1.weight`. */
  readonly name: string;
  /** [O, I, kH, kW] or [O, I]. */
  readonly shape: readonly number[];
  /** Number of weights. */
  readonly size: number;
  readonly kind: 'conv2d' | 'linear';
  readonly role: LayerRole;
  readonly mask: Mask;
  /** Unperturbed fp32 weights, gradient of the last backward, momentum: views, not to be disposed or kept. */
  readonly weight: Tensor;
  readonly gradient: Tensor;
  readonly momentum: Tensor;
}

/** Number of kept weights per layer, by name. */
export type Allocation = ReadonlyMap<string, number>;

/** How a total density is spread over layers. Throws ConfigError when it cannot be met. */
export interface Layout {
  readonly name: string;
  allocate(
    layers: readonly Pick<SparseLayer, 'name' | 'shape' | 'size' | 'kind' | 'role'>[],
    density: number,
  ): Allocation;
}

/** What a strategy may look at and use. */
export interface StrategyContext {
  readonly layers: readonly SparseLayer[];
  /** Optimizer steps done. */
  readonly step: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  readonly seed: number;
  /**
   * Gradient of the loss at the unperturbed weights, averaged over `batches` training batches and left in `layer.gradient`,
   * everywhere (masked positions included). Changes nothing else. Only inside `init`.
   */
  probeGradient(options: { readonly batches: number }): Promise<void>;
}

/** What a strategy wants of one step. Absent means false. */
export interface StepNeeds {
  /** Weight gradients at masked positions too. */
  readonly denseGradient?: boolean;
  /** The gradient is computed but the optimizer does not step (RigL). */
  readonly skipOptimizerStep?: boolean;
  /** `update` is to be called once this step is done. */
  readonly update?: boolean;
}

/** JSON-compatible. */
export type StrategyState = { readonly [key: string]: number | string | boolean | null | StrategyState };

/**
 * A sparse-training method. `core` calls `init` once before step 0 (not after resume: masks are in the checkpoint), asks `needs`
 * before every step, and calls `update` where it was asked for. A strategy edits `layer.mask` and nothing else; afterwards core
 * zeroes weight, gradient, momentum and working copy wherever a mask is 0 and renews the perturbation under the new masks.
 * Random choices are keyed by (seed, layer name, step), see `streamKey`.
 */
export interface MaskStrategy {
  /** For logs, e.g. `static(erk)`. */
  readonly name: string;
  init(context: StrategyContext): void | Promise<void>;
  needs?(step: number, context: Pick<StrategyContext, 'stepsPerEpoch' | 'totalSteps'>): StepNeeds;
  update?(context: StrategyContext): void | Promise<void>;
  /** Whatever else must survive a checkpoint. */
  state?(): StrategyState;
  load?(state: StrategyState): void;
}
