import {
  type ChannelGroup,
  type Device,
  Mask,
  type MaskedParameter,
  type NormChannels,
  type SparseLayer,
  type StrategyContext,
  type Tensor,
  unscoped,
} from '@s2sam/core';
import { expect } from 'vitest';

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

type LayerTable = readonly (readonly [name: string, shape: readonly number[], role: SparseLayer['role']])[];

/**
 * Layers without a network, for strategies that are to see made-up weights and gradients. Each layer's output channels are a group
 * that the next layer reads.
 */
export class MadeUpLayers implements Disposable {
  readonly layers: readonly SparseLayer[];
  readonly groups: readonly ChannelGroup[];
  readonly warnings: string[] = [];
  readonly #memory = new Map<string, Tensor>();
  readonly #owned: Disposable[] = [];

  constructor(
    readonly device: Device,
    table: LayerTable,
    readonly seed: number,
  ) {
    this.layers = table.map(([name, shape, role]) => ({
      ...this.#parameter(name, shape),
      role,
      kind: shape.length === 4 ? 'conv2d' : 'linear',
    }));
    this.groups = this.layers.slice(0, -1).map((layer, i) => {
      const [channels = 0] = layer.shape;
      const name = layer.name.replace('.weight', '');
      const consumers = [this.layers[i + 1] as SparseLayer];
      return { name, channels, producers: [layer], norms: [this.#norm(name, channels)], consumers };
    });
  }

  /** What core would hand over. */
  context(moment: Partial<StrategyContext> = {}): StrategyContext {
    return {
      layers: this.layers,
      groups: this.groups,
      step: 0,
      round: 0,
      stepsPerEpoch: 10,
      totalSteps: 100,
      seed: this.seed,
      memory: (name, shape) => {
        const found = this.#memory.get(name) ?? unscoped(() => this.#tensor(shape));
        this.#memory.set(name, found);
        return found;
      },
      warn: (message) => this.warnings.push(message),
      probeGradient: () => expect.fail('no gradient was made up'),
      probeCurvature: () => expect.fail('no curvature was made up'),
      ...moment,
    };
  }

  /** Zeroes weights and gamma where a mask is 0, as core does after every update. */
  enforce(): void {
    const norms = this.groups.flatMap((group) => group.norms.flatMap(({ gamma, beta }) => [gamma, beta]));
    for (const { mask, weight } of [...this.layers, ...norms]) mask.apply(weight);
  }

  /** Bits of all masks, as packed words. */
  async read(): Promise<number[][]> {
    return Promise.all(this.layers.map(async ({ mask }) => [...(await mask.read())]));
  }

  [Symbol.dispose](): void {
    for (const owned of [...this.#memory.values(), ...this.#owned]) owned[Symbol.dispose]();
  }

  #norm(name: string, channels: number): NormChannels {
    return {
      gamma: this.#parameter(`${name}.gamma`, [channels]),
      beta: this.#parameter(`${name}.beta`, [channels]),
      runningMean: this.#own(this.#tensor([channels])),
      runningVar: this.#own(this.#tensor([channels])),
    };
  }

  #parameter(name: string, shape: readonly number[]): MaskedParameter {
    const size = product(shape);
    const bits = this.device.zeros([Math.ceil(size / 32)], { dtype: 'u32' });
    const mask = this.#own(new Mask(this.device, bits, shape, 0, { ownsBits: true }));
    mask.fill(true);
    const [weight, gradient, momentum] = [0, 1, 2].map(() => this.#own(this.#tensor(shape))) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    return { name, shape, size, mask, weight, gradient, momentum };
  }

  #tensor(shape: readonly number[]): Tensor {
    return this.device.zeros(shape, { activation: false });
  }

  #own<T extends Disposable>(owned: T): T {
    this.#owned.push(owned);
    return owned;
  }
}
