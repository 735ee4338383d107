import { unscoped } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { Mask } from './mask.js';
import type { MaskedParameter } from './strategy.js';

/** What a mask update did to a layer: weights that left and weights that came. */
export interface Churn {
  readonly dropped: number;
  readonly grown: number;
}

/**
 * Which weights were ever alive: in-time over-parameterization (Liu et al. 2021). One bit per weight, on the device, kept from first
 * masks to the end of a training.
 */
export class Exploration implements Disposable {
  readonly #layers: readonly Pick<MaskedParameter, 'name' | 'size' | 'mask'>[];
  readonly #ever: readonly { readonly bits: Tensor; readonly mask: Mask }[];

  constructor(layers: readonly Pick<MaskedParameter, 'name' | 'size' | 'mask'>[]) {
    this.#layers = layers;
    this.#ever = layers.map(({ mask }) => {
      const bits = unscoped(() => mask.device.zeros(mask.bits.shape, { dtype: 'u32' }));
      return { bits, mask: new Mask(mask.device, bits, mask.shape, 0, { ownsBits: true }) };
    });
  }

  /** Ever alive / all weights of the layers; 1 without layers. This is the ITOP rate. */
  get rate(): number {
    const size = this.#layers.reduce((sum, layer) => sum + layer.size, 0);
    return size === 0 ? 1 : this.#ever.reduce((sum, { mask }) => sum + mask.kept, 0) / size;
  }

  /** Bits by layer name, u32 as of a mask, for checkpoints. */
  get bits(): ReadonlyMap<string, Tensor> {
    return new Map(this.#layers.map(({ name }, index) => [name, (this.#ever[index] as { bits: Tensor }).bits]));
  }

  /** Takes up bits of a checkpoint; a layer it does not name begins with its mask as it is. */
  load(bits: ReadonlyMap<string, Uint32Array>): void {
    for (const [index, { name, mask }] of this.#layers.entries()) {
      const words = bits.get(name);
      const ever = this.#ever[index]?.mask;
      if (words === undefined) ever?.copyFrom(mask);
      else ever?.write(words);
    }
  }

  /** Adds what the masks keep now. */
  async add(): Promise<void> {
    await Promise.all(this.#layers.map(({ mask }, index) => this.#ever[index]?.mask.unite(mask)));
  }

  [Symbol.dispose](): void {
    for (const { mask } of this.#ever) mask[Symbol.dispose]();
  }
}

/** What changed from `before`, masks in the order of `layers`, to the masks as they are. Edits `before`. */
export function churnOf(
  layers: readonly Pick<MaskedParameter, 'name' | 'mask'>[],
  before: readonly Mask[],
): Promise<ReadonlyMap<string, Churn>> {
  const changes = layers.map(async ({ name, mask }, index): Promise<[string, Churn]> => {
    const was = before[index] as Mask;
    const { kept } = was;
    await was.intersect(mask);
    return [name, { dropped: kept - was.kept, grown: mask.kept - was.kept }];
  });
  return Promise.all(changes).then((entries) => new Map(entries));
}
