import { copyOf } from '../autograd/tape.js';
import type { StoredTensor } from '../io/safetensors.js';
import type { Classifier } from '../models/classifier.js';
import type { ParameterArena } from '../nn/arena.js';
import type { Tensor } from '../tensor/tensor.js';
import type { LayerDensity } from '../train/events.js';
import { type Churn, churnOf, Exploration } from './exploration.js';
import { NamedTensors } from './memory.js';
import type { MaskStrategy, StepNeeds, StrategyContext, StrategyState, TrainingMoment } from './strategy.js';
import { type ModelViews, viewsOf } from './views.js';

/** Names of the bits of `Exploration` in a checkpoint. */
const EXPLORED = 'explored.';

type Moment = TrainingMoment & Pick<StrategyContext, 'seed' | 'probeGradient' | 'probeCurvature'>;

/** A mask strategy at work on the parameters of a model. */
export class SparsityState implements Disposable {
  readonly strategy: MaskStrategy | undefined;
  readonly #model: Classifier;
  readonly #arena: ParameterArena;
  readonly #views: ModelViews;
  readonly #memory: NamedTensors;
  readonly #exploration: Exploration;
  readonly #warnings: string[] = [];
  #churn: ReadonlyMap<string, Churn> = new Map();
  #disposed = false;

  /** Gives every weight a mask (all kept) when there is a strategy. */
  constructor(model: Classifier, strategy: MaskStrategy | undefined) {
    this.#model = model;
    this.#arena = model.arena;
    this.strategy = strategy;
    this.#memory = new NamedTensors(model.device);
    this.#views =
      strategy === undefined ? { layers: [], groups: [], masked: [] } : viewsOf(model, strategy.structured === true);
    this.#exploration = new Exploration(this.#views.layers);
  }

  /** Tensors that a checkpoint must hold beside those of the model, by name; none once the training is over. */
  get memory(): ReadonlyMap<string, Tensor> {
    if (this.#disposed) return new Map();
    const explored = [...this.#exploration.bits].map(([name, bits]): [string, Tensor] => [`${EXPLORED}${name}`, bits]);
    return new Map([...this.#memory.lasting, ...explored]);
  }

  /** Weights ever alive / all weights that may be masked: the ITOP rate. */
  get explored(): number {
    return this.#exploration.rate;
  }

  /** What the last update dropped and grew, by layer. */
  get churn(): ReadonlyMap<string, Churn> {
    return this.#churn;
  }

  needs(step: number, moment: Omit<TrainingMoment, 'step'>): StepNeeds {
    return this.strategy?.needs?.(step, moment) ?? {};
  }

  /** First masks, before step 0. Whatever the strategy does to weights meanwhile is undone. */
  async init(moment: Moment): Promise<void> {
    const { master } = this.#arena;
    using before = copyOf(master);
    await this.strategy?.init(this.#context(moment));
    master.copyFrom(before);
    this.enforce();
    await this.#exploration.add();
  }

  /** Takes up where a checkpoint was written, masks and weights being loaded already. */
  async load(state: StrategyState | null, memory: ReadonlyMap<string, StoredTensor>, moment: Moment): Promise<void> {
    const explored = new Map<string, Uint32Array>();
    for (const [name, { shape, data }] of memory) {
      if (data instanceof Uint32Array) explored.set(name.slice(EXPLORED.length), data);
      else this.#memory.get(name, shape).write(data as Float32Array);
    }
    this.#exploration.load(explored);
    await this.strategy?.load?.(state, this.#context(moment));
  }

  /** Lets the strategy look at the gradient in the arena; may be recorded. */
  observe(): void {
    this.strategy?.observe?.({ layers: this.#views.layers, memory: this.#strategyMemory });
  }

  /**
   * Lets the strategy edit the masks, then zeroes what they leave out. Gradient, which S2-SAM perturbs along, and momentum become
   * zero at dropped and at grown weights alike.
   */
  async update(moment: Moment): Promise<void> {
    const before = this.#views.masked.map(({ mask }) => mask.clone());
    try {
      await this.strategy?.update?.(this.#context(moment));
      for (const [index, { gradient, momentum }] of this.#views.masked.entries()) {
        for (const tensor of [gradient, momentum]) before[index]?.apply(tensor);
      }
      this.#churn = await churnOf(this.#views.layers, before);
      await this.#exploration.add();
    } finally {
      for (const mask of before) mask[Symbol.dispose]();
    }
    this.enforce();
  }

  /** Remembers weights and running statistics as those that later rounds start from. */
  remember(): void {
    for (const [name, tensor] of this.#model.namedState())
      this.#memory.get(`rewind.${name}`, tensor.shape).copyFrom(tensor);
  }

  /** Back to the remembered weights and statistics under the masks as they are; the optimizer begins anew. */
  rewind(): void {
    for (const [name, tensor] of this.#model.namedState())
      tensor.copyFrom(this.#memory.get(`rewind.${name}`, tensor.shape));
    this.#arena.momentum.fill(0);
    this.#arena.gradient.fill(0);
    this.enforce();
    this.#arena.resetWorking();
  }

  /** Zeroes weight, gradient, momentum and working copy wherever a mask is 0. */
  enforce(): void {
    for (const parameter of this.#arena.parameters) {
      if (parameter.mask === undefined) continue;
      const { value, working, gradient, momentum } = parameter.storage;
      for (const tensor of new Set([value, working, gradient, momentum])) parameter.mask.apply(tensor);
    }
  }

  /** What the strategy warned of since the last call. */
  takeWarnings(): string[] {
    return this.#warnings.splice(0);
  }

  /** 64-bit checksum over all masks as 16 hexadecimal digits. */
  async checksum(): Promise<string> {
    const summaries = await Promise.all(this.#views.masked.map(({ mask }) => mask.summary()));
    const folded = summaries.reduce((hash, { checksum }) => (hash * 0x100000001b3n) ^ checksum, 0xcbf29ce484222325n);
    return BigInt.asUintN(64, folded).toString(16).padStart(16, '0');
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#exploration[Symbol.dispose]();
    this.#memory[Symbol.dispose]();
  }

  #context(moment: Moment): StrategyContext {
    const { layers, groups } = this.#views;
    return {
      ...moment,
      layers,
      groups,
      memory: this.#strategyMemory,
      warn: (message) => this.#warnings.push(message),
    };
  }

  readonly #strategyMemory: StrategyContext['memory'] = (name, shape, options) =>
    this.#memory.get(`strategy.${name}`, shape, options);
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
  const all = arena.parameters.map(({ name, shape, size, kind, mask }) => {
    const kept = mask?.kept ?? size;
    return { kind, layer: { name, shape, kept, size, density: kept / size } };
  });
  const total = (layers: readonly LayerDensity[], what: 'kept' | 'size'): number =>
    layers.reduce((sum, layer) => sum + layer[what], 0);
  const everything = all.map(({ layer }) => layer);
  const layers = all.filter(({ kind }) => kind === 'weight').map(({ layer }) => layer);
  return {
    parameters: total(everything, 'size'),
    nonZero: total(everything, 'kept'),
    density: layers.length === 0 ? 1 : total(layers, 'kept') / total(layers, 'size'),
    layers,
  };
}
