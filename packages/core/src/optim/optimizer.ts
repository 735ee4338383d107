import { ArgumentError } from '../errors.js';
import { type Schedule, toSchedule } from './schedule.js';

export interface SgdOptions {
  readonly lr: number | Schedule;
  /** v = momentum * v + d; PyTorch's form. Default 0. */
  readonly momentum?: number;
  /** Step along d + momentum * v. Default false. */
  readonly nesterov?: boolean;
  /** d = g + weightDecay * w, with the unperturbed w. Default 0. */
  readonly weightDecay?: number;
  /** Spare batch norm's gamma and beta and all biases from weight decay. Default false. */
  readonly decayWeightsOnly?: boolean;
  /** Clip the gradient the optimizer steps with to this global L2 norm. Default: no clipping. */
  readonly maxGradNorm?: number;
}

/** Stochastic gradient descent as a value. */
export interface Sgd {
  readonly kind: 'sgd';
  readonly name: string;
  readonly lr: Schedule;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  readonly decayWeightsOnly: boolean;
  readonly maxGradNorm: number;
}

/** How the perturbation treats masked weights: methods of the paper keep them out (`masked`), the released code does not. */
export type MaskPolicy = 'masked' | 'dense';

export interface SharpnessOptions {
  /** Radius of the perturbation, >= 0. Default 0.05. */
  readonly rho?: number;
  /** Default `masked`: gradient, norm, momentum and perturbation live on kept weights only. */
  readonly policy?: MaskPolicy;
  /** Scale the perturbation by w^2 (ASAM, Kwon et al. 2021); customary rho 0.5 to 2. Default false. */
  readonly adaptive?: boolean;
  /** Epochs of the plain base optimizer before the perturbation begins. Default 0. */
  readonly startEpoch?: number;
}

/** A sharpness-aware wrapper over a base optimizer, as a value. */
export interface SharpnessAware {
  readonly kind: 'sam' | 's2sam';
  readonly name: string;
  readonly base: Sgd;
  readonly rho: number;
  readonly policy: MaskPolicy;
  readonly adaptive: boolean;
  readonly startEpoch: number;
}

export type Optimizer = Sgd | SharpnessAware;

const atLeastZero = (op: string, name: string, value: number): void => {
  if (!Number.isFinite(value) || value < 0) {
    throw new ArgumentError(`${op}: ${name} is ${value}; it must be a finite number >= 0`, { op });
  }
};

/** SGD with momentum, Nesterov, weight decay and clipping, in PyTorch's form. Throws ArgumentError. */
export function sgd(options: SgdOptions): Sgd {
  const { lr, momentum = 0, nesterov = false, weightDecay = 0, decayWeightsOnly = false, maxGradNorm = 0 } = options;
  if (typeof lr === 'number') atLeastZero('sgd', 'lr', lr);
  atLeastZero('sgd', 'momentum', momentum);
  atLeastZero('sgd', 'weightDecay', weightDecay);
  atLeastZero('sgd', 'maxGradNorm', maxGradNorm);
  if (nesterov && momentum === 0) {
    throw new ArgumentError('sgd: nesterov is true but momentum is 0; give a momentum above 0', { op: 'sgd' });
  }
  return {
    kind: 'sgd',
    name: 'sgd',
    lr: toSchedule(lr),
    momentum,
    nesterov,
    weightDecay,
    decayWeightsOnly,
    maxGradNorm,
  };
}

function sharpnessAware(kind: 'sam' | 's2sam', base: Sgd, options: SharpnessOptions): SharpnessAware {
  const { rho = 0.05, policy = 'masked', adaptive = false, startEpoch = 0 } = options;
  atLeastZero(kind, 'rho', rho);
  atLeastZero(kind, 'startEpoch', startEpoch);
  if (policy !== 'masked' && policy !== 'dense') {
    throw new ArgumentError(`${kind}: policy is '${String(policy)}'; it must be 'masked' or 'dense'`, { op: kind });
  }
  return { kind, name: `${kind}(${base.name})`, base, rho, policy, adaptive, startEpoch };
}

/** SAM (Foret et al. 2021): gradient at w + rho * g / ||g||, two forward and backward passes per step. */
export const sam = (base: Sgd, options: SharpnessOptions = {}): SharpnessAware => sharpnessAware('sam', base, options);

/**
 * S2-SAM (NeurIPS 2024): as SAM, but the perturbation is taken from the gradient of the step before, so a step costs one forward
 * and one backward pass. The first step, and every step with rho = 0, is the base optimizer's, bit for bit.
 */
export const s2sam = (base: Sgd, options: SharpnessOptions = {}): SharpnessAware =>
  sharpnessAware('s2sam', base, options);

export const baseOf = (optimizer: Optimizer): Sgd => (optimizer.kind === 'sgd' ? optimizer : optimizer.base);
