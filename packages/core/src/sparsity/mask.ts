import type { Device } from '../device/device.js';
import { ArgumentError } from '../errors.js';
import type { StreamKey } from '../random/key.js';
import { Tensor } from '../tensor/tensor.js';

/** Count and checksum of a mask's bits. */
export interface MaskSummary {
  readonly kept: number;
  readonly checksum: bigint;
}

/**
 * Which weights of one parameter are alive: a bit-packed tensor of its own on the device, never inferred from zeros. Edits are
 * enqueued; their counts are exact, so `kept` is known without waiting. Among equal scores the lower index counts as the larger.
 */
export class Mask implements Disposable {
  readonly size: number;
  readonly #handle: number;
  #kept: number;

  /** @param bits u32 [ceil(size / 32)], taken as they are; `kept` of them are set. */
  constructor(
    readonly device: Device,
    readonly bits: Tensor,
    readonly shape: readonly number[],
    kept: number,
  ) {
    this.size = shape.reduce((product, extent) => product * extent, 1);
    this.#handle = device.native.createMask(bits.handle, shape);
    this.#kept = kept;
  }

  get handle(): number {
    return this.#handle;
  }

  get kept(): number {
    return this.#kept;
  }

  get density(): number {
    return this.#kept / this.size;
  }

  /** True when no weight is masked; ops then take their dense form. */
  get full(): boolean {
    return this.#kept === this.size;
  }

  fill(keep: boolean): void {
    this.device.native.maskFill(this.#handle, keep);
    this.#kept = keep ? this.size : 0;
  }

  /** Keeps exactly `keep` weights, uniformly without replacement. */
  random(keep: number, key: StreamKey): void {
    this.#check('random', keep, 0, this.size);
    this.device.native.maskRandom(this.#handle, keep, key[0], key[1]);
    this.#kept = keep;
  }

  /** Keeps exactly the `keep` largest scores. */
  topK(scores: Tensor, keep: number): void {
    this.#check('topK', keep, 0, this.size);
    this.device.native.maskTopK(this.#handle, scores.handle, keep);
    this.#kept = keep;
  }

  /** Removes the `count` smallest scores among the kept. */
  drop(scores: Tensor, count: number): void {
    this.#check('drop', count, 0, this.#kept);
    this.device.native.maskDrop(this.#handle, scores.handle, count);
    this.#kept -= count;
  }

  /** Adds the `count` largest scores among the weights not kept. */
  grow(scores: Tensor, count: number): void {
    this.#check('grow', count, 0, this.size - this.#kept);
    this.device.native.maskGrow(this.#handle, scores.handle, count);
    this.#kept += count;
  }

  /** Adds `count` weights not kept, uniformly. */
  growRandom(count: number, key: StreamKey): void {
    this.#check('growRandom', count, 0, this.size - this.#kept);
    this.device.native.maskGrowRandom(this.#handle, count, key[0], key[1]);
    this.#kept += count;
  }

  /** Bits as packed words: bit i % 32 of word i / 32 belongs to weight i. Bits past `size` are ignored. */
  write(words: Uint32Array): void {
    this.device.native.maskWrite(this.#handle, words);
    this.#kept = countBits(words, this.size);
  }

  async read(): Promise<Uint32Array> {
    return (await this.device.native.read(this.bits.handle)) as Uint32Array;
  }

  /** x where kept, 0 elsewhere, written to y (default: x itself). */
  apply(x: Tensor, y: Tensor = x): void {
    this.device.native.maskApply(this.#handle, x.handle, y.handle);
  }

  /** f32 of the parameter's shape, 1 where kept. The caller disposes it. */
  expand(): Tensor {
    return Tensor.adopt(this.device, this.device.native.maskExpand(this.#handle));
  }

  /** Counted on the device. */
  async summary(): Promise<MaskSummary> {
    using summary = Tensor.adopt(this.device, this.device.native.maskSummary(this.#handle));
    const [kept = 0, low = 0, high = 0] = await summary.toArray();
    return { kept, checksum: (BigInt(high) << 32n) | BigInt(low) };
  }

  [Symbol.dispose](): void {
    this.device.native.disposeMask(this.#handle);
  }

  #check(op: string, count: number, low: number, high: number): void {
    if (!Number.isInteger(count) || count < low || count > high) {
      throw new ArgumentError(
        `mask.${op}: count ${count} for a mask ${JSON.stringify(this.shape)} with ${this.#kept} of ${this.size} kept; ` +
          `it must be a whole number from ${low} to ${high}`,
        { op: `mask.${op}` },
      );
    }
  }
}

function countBits(words: Uint32Array, size: number): number {
  let count = 0;
  words.forEach((word, index) => {
    const rest = size - index * 32;
    let bits = rest >= 32 ? word : rest <= 0 ? 0 : word & ((1 << rest) - 1);
    for (; bits !== 0; bits &= bits - 1) count += 1;
  });
  return count;
}
