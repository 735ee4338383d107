import type { DTypeName } from '@s2sam/native';
import { InternalError } from '../errors.js';
import type { Mask } from '../sparsity/mask.js';
import type { LayerRole } from '../sparsity/strategy.js';
import type { Tensor } from '../tensor/tensor.js';

/** How a parameter starts: values of one distribution, each element from its own counter. */
export type Init =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly std: number };

/** `weight` of convolutions and linear layers (may be masked), `norm` gamma and beta, `bias`. */
export type ParameterKind = 'weight' | 'norm' | 'bias';

/** The tensors of a parameter: windows on the flat arrays of its model. */
export interface ParameterStorage {
  /** The fp32 master: what evaluation, checkpoints and mask updates read. */
  readonly value: Tensor;
  /** What training's forward pass reads: the master plus the perturbation. The master itself where nothing perturbs. */
  readonly working: Tensor;
  /** `working` in 16 bit, for matrix products; undefined where there is none: at f32, and for biases and batch norm. */
  readonly compute: Tensor | undefined;
  readonly gradient: Tensor;
  readonly momentum: Tensor;
}

/** A trainable array. Declared with its shape by a module, given storage by `initialize`. */
export class Parameter {
  /** Path in the model, PyTorch's: `layer1.0.conv1.weight`. */
  name = '';
  /** Which weights are alive; undefined: all. */
  mask: Mask | undefined;
  /** Where the weight gradient is computed in the next backward pass: kept weights only, or everywhere. */
  gradientEverywhere = false;
  /** Forward and backward ignore the mask (policy `dense` of S2-SAM: the perturbation lives on masked weights too). */
  ignoreMask = false;
  #storage: ParameterStorage | undefined;

  constructor(
    readonly shape: readonly number[],
    readonly kind: ParameterKind,
    readonly init: Init,
    /** Of weights: what the layer is in its network. */
    readonly role: LayerRole = 'body',
  ) {}

  get size(): number {
    return this.shape.reduce((product, extent) => product * extent, 1);
  }

  get storage(): ParameterStorage {
    if (this.#storage === undefined) {
      throw new InternalError(
        `parameter ${this.name || JSON.stringify(this.shape)} has no storage; call initialize(model)`,
      );
    }
    return this.#storage;
  }

  /** @internal */
  bind(storage: ParameterStorage): void {
    this.#storage = storage;
  }

  get gradient(): Tensor {
    return this.storage.gradient;
  }

  get value(): Tensor {
    return this.storage.value;
  }

  /** The weights the forward pass reads, in training or in evaluation: in the type of the images where there is such a copy, else f32. */
  weights(training: boolean, dtype: DTypeName = 'f32'): Tensor {
    const { value, working, compute } = this.storage;
    if (!training) return value;
    return compute?.dtype === dtype ? compute : working;
  }

  /** Mask handle for the ops; 0: dense. */
  get maskHandle(): number {
    return this.mask === undefined || this.ignoreMask ? 0 : this.mask.handle;
  }
}
