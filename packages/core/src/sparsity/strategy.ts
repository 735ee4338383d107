import type { Tensor } from '../tensor/tensor.js';
import type { Mask } from './mask.js';

/** What a layer is in its network; layer rules of the literature speak in these words. */
export type LayerRole = 'stem' | 'body' | 'shortcut' | 'classifier';

/** A parameter under a mask. Its tensors are views, not to be disposed or kept. */
export interface MaskedParameter {
  /** As in the checkpoint, e.g. `layer1.0.conv1.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Number of weights. */
  readonly size: number;
  readonly mask: Mask;
  /** Unperturbed fp32 weights, gradient of the last backward, momentum. */
  readonly weight: Tensor;
  readonly gradient: Tensor;
  readonly momentum: Tensor;
}

/** A parameter that may be masked: a convolution or linear weight, [O, I, kH, kW] or [O, I]. */
export interface SparseLayer extends MaskedParameter {
  readonly kind: 'conv2d' | 'linear';
  readonly role: LayerRole;
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

/** Batch norm over the channels of a group, [channels] each. */
export interface NormChannels {
  readonly gamma: MaskedParameter;
  readonly beta: MaskedParameter;
  readonly runningMean: Tensor;
  readonly runningVar: Tensor;
}

/** Channels that live and die together; the model declares them (`Classifier.channelGroups`). */
export interface ChannelGroup {
  readonly name: string;
  readonly channels: number;
  /** Convolutions whose outputs they are; several where a residual sum couples them. */
  readonly producers: readonly SparseLayer[];
  readonly norms: readonly NormChannels[];
  /** Layers that read them; a linear layer reads `inputs / channels` consecutive inputs of each. */
  readonly consumers: readonly SparseLayer[];
}

/** Training images, so many of each class, ordered by class and cut into parts that share no class (GraSP's batches). */
export interface ClassBalanced {
  readonly perClass: number;
  /** Batches they are cut into. */
  readonly parts: number;
  /** The how-manieth such selection; each takes other images. Default 0. */
  readonly round?: number;
}

export interface ProbeOptions {
  /** The first batches of training, or images chosen by class. The gradient is averaged over the batches. */
  readonly batches: number | ClassBalanced;
  /** The logits are divided by this before the loss. Default 1. */
  readonly temperature?: number;
  /** Batch norm uses the statistics of the batch or the running ones, which no probe changes. Default `batch`. */
  readonly statistics?: 'batch' | 'running';
  /** Crop and flip as training does; false: the images as they are. Default true. */
  readonly augment?: boolean;
}

/** Where a training is. */
export interface TrainingMoment {
  /** Optimizer steps done. */
  readonly step: number;
  /** Rounds done, see `MaskStrategy.rounds`; else 0. */
  readonly round: number;
  readonly stepsPerEpoch: number;
  /** Of the whole training, all rounds. */
  readonly totalSteps: number;
}

/** What a strategy may look at and use. */
export interface StrategyContext extends TrainingMoment {
  readonly layers: readonly SparseLayer[];
  /** Groups of channels; empty unless the strategy is `structured`. */
  readonly groups: readonly ChannelGroup[];
  readonly seed: number;
  /**
   * A f32 tensor of the strategy's own, by name: zero at first, kept for the whole training, in every checkpoint, freed by core. Ask
   * for it in `init` and `load` before `observe` uses it. `transient`: not in checkpoints, for what lives from `observe` to `update`.
   */
  memory(name: string, shape: readonly number[], options?: { readonly transient?: boolean }): Tensor;
  /** Becomes a `warning` event. */
  warn(message: string): void;
  /**
   * Gradient of the loss at `layer.weight` (all of them: masked weights are not zeroed for it), without weight decay, left in
   * `layer.gradient`, everywhere. Changes nothing else. Only inside `init`, where a strategy may write other weights to probe
   * there; core puts the weights back afterwards.
   */
  probeGradient(options: ProbeOptions): Promise<void>;
  /**
   * Product of the loss's Hessian (over the weights of the layers) with a vector, by layer name, left in `layer.gradient`. The
   * decisions of ReLUs and of max pools without overlap are held fixed, as in differentiating twice. Else as `probeGradient`.
   */
  probeCurvature(options: ProbeOptions & { readonly along: ReadonlyMap<string, Tensor> }): Promise<void>;
}

/** What a strategy wants of one step. Absent means false. */
export interface StepNeeds {
  /** Weight gradients at masked positions too. */
  readonly denseGradient?: boolean;
  /** The gradient is computed but the optimizer does not step (RigL). */
  readonly skipOptimizerStep?: boolean;
  /** `observe` is to see the gradient of this step before the optimizer does, which zeroes it at masked positions. */
  readonly observe?: boolean;
  /** `update` is to be called once this step is done. */
  readonly update?: boolean;
  /** The base optimizer's step: no perturbation. */
  readonly plain?: boolean;
}

/** A training that is repeated, each time from the same weights and with fewer of them (lottery tickets). */
export interface Rounds {
  /** Each is as long as the training asked for; learning rate, data order and optimizer begin anew. */
  readonly count: number;
  /** Later rounds start from the weights and running statistics after so many steps of the first; 0: from the initial ones. */
  readonly rewindStep: number;
}

/** JSON-compatible. */
export type StrategyState = { readonly [key: string]: number | string | boolean | null | StrategyState };

/**
 * A sparse-training method. `core` calls `init` once before step 0 (`load` instead after resume: masks are in the checkpoint), asks
 * `needs` before every step, and calls `update` where it was asked for, and between rounds. A strategy edits masks and nothing
 * else, save that it may write weights where it grows them (else they start at 0); afterwards core zeroes weight, gradient, momentum
 * and working copy wherever a mask is 0, gradient and momentum where a weight was grown, and renews the perturbation under the new
 * masks. Random choices are keyed by (seed, layer name, step), see `streamKey`. One value serves one training at a time.
 */
export interface MaskStrategy {
  /** For logs, e.g. `static(erk)`. */
  readonly name: string;
  /** Gives batch norm masks too and fills `context.groups`. Default false. */
  readonly structured?: boolean;
  readonly rounds?: Rounds;
  init(context: StrategyContext): void | Promise<void>;
  /** Called with the number of steps done before this one. */
  needs?(step: number, moment: Omit<TrainingMoment, 'step'>): StepNeeds;
  /** Enqueues ops on `layer.gradient` and the strategy's memory. It is recorded with the step, so it must not depend on the moment. */
  observe?(context: Pick<StrategyContext, 'layers' | 'memory'>): void;
  /** After a step that asked for it; or, between rounds, when `round` of them are done. */
  update?(context: StrategyContext): void | Promise<void>;
  /** Whatever else must survive a checkpoint. */
  state?(): StrategyState;
  load?(state: StrategyState | null, context: StrategyContext): void | Promise<void>;
}
