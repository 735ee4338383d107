import { BinaryOp } from '@s2sam/native';
import type { ParameterArena } from '../nn/arena.js';
import type { Parameter } from '../nn/parameter.js';
import { Tensor } from '../tensor/tensor.js';
import type { LayerDensity } from '../train/events.js';
import type { MaskStrategy, SparseLayer, StepNeeds, StrategyContext } from './strategy.js';

type Moment = Omit<StrategyContext, 'layers'>;

/** A mask strategy at work on the parameters of a model. */
export class SparsityState {
  readonly strategy: MaskStrategy | undefined;
  readonly #arena: ParameterArena;
  readonly #layers: readonly SparseLayer[];

  /** Gives every weight a mask (all kept) when there is a strategy. */
  constructor(arena: ParameterArena, strategy: MaskStrategy | undefined) {
    this.#arena = arena;
    this.strategy = strategy;
    const maskable = strategy === undefined ? [] : arena.parameters.filter(({ kind }) => kind === 'weight');
    this.#layers = maskable.map((parameter) => layerOf(arena, parameter));
  }

  needs(step: number, length: Pick<StrategyContext, 'stepsPerEpoch' | 'totalSteps'>): StepNeeds {
    return this.strategy?.needs?.(step, length) ?? {};
  }

  /** First masks, before step 0. */
  async init(moment: Moment): Promise<void> {
    await this.strategy?.init({ ...moment, layers: this.#layers });
    this.enforce();
  }

  /**
   * Lets the strategy edit the masks, then zeroes what they leave out. The gradient, which S2-SAM perturbs along, becomes zero at
   * dropped and at grown weights alike.
   */
  async update(moment: Moment): Promise<void> {
    const before = this.#layers.map(({ mask }) => mask.expand());
    try {
      await this.strategy?.update?.({ ...moment, layers: this.#layers });
      for (const [index, { gradient }] of this.#layers.entries()) {
        const { native } = this.#arena.device;
        using kept = Tensor.adopt(
          this.#arena.device,
          native.binary(BinaryOp.mul, gradient.handle, (before[index] as Tensor).handle),
        );
        gradient.copyFrom(kept);
      }
    } finally {
      for (const tensor of before) tensor.dispose();
    }
    this.enforce();
  }

  /** Zeroes weight, gradient, momentum and working copy wherever a mask is 0. */
  enforce(): void {
    for (const parameter of this.#arena.parameters) {
      if (parameter.mask === undefined) continue;
      const { value, working, gradient, momentum } = parameter.storage;
      for (const tensor of new Set([value, working, gradient, momentum])) parameter.mask.apply(tensor);
    }
  }

  /** 64-bit checksum over all masks as 16 hexadecimal digits. */
  async checksum(): Promise<string> {
    const summaries = await Promise.all(this.#layers.map(({ mask }) => mask.summary()));
    const folded = summaries.reduce((hash, { checksum }) => (hash * 0x100000001b3n) ^ checksum, 0xcbf29ce484222325n);
    return BigInt.asUintN(64, folded).toString(16).padStart(16, '0');
  }
}

function layerOf(arena: ParameterArena, parameter: Parameter): SparseLayer {
  const { name, shape, size, role } = parameter;
  const mask = arena.addMask(parameter);
  return {
    name,
    shape,
    size,
    role,
    kind: shape.length === 4 ? 'conv2d' : 'linear',
    mask,
    get weight() {
      return parameter.storage.value;
    },
    get gradient() {
      return parameter.storage.gradient;
    },
    get momentum() {
      return parameter.storage.momentum;
    },
  };
}

/** What logs and reports say of the masks of a model. */
export interface DensityReport {
  readonly parameters: number;
  readonly nonZero: number;
  /** Kept / all weights of convolutions and linear layers. */
  readonly density: number;
  readonly layers: readonly LayerDensity[];
}

export function densityOf(arena: ParameterArena): DensityReport {
  const layers = arena.parameters
    .filter(({ kind }) => kind === 'weight')
    .map(({ name, shape, size, mask }) => {
      const kept = mask?.kept ?? size;
      return { name, shape, kept, size, density: kept / size };
    });
  const parameters = arena.parameters.reduce((sum, { size }) => sum + size, 0);
  const size = layers.reduce((sum, layer) => sum + layer.size, 0);
  const kept = layers.reduce((sum, layer) => sum + layer.kept, 0);
  return { parameters, nonZero: parameters - size + kept, density: size === 0 ? 1 : kept / size, layers };
}
