import { CombineOp } from '@s2sam/native';
import type { Device } from '../device/device.js';
import { ArgumentError } from '../errors.js';
import type { StreamKey } from '../random/key.js';
import { unscoped } from '../tensor/scope.js';
import { Tensor } from '../tensor/tensor.js';

/** Count and checksum of a mask's bits. */
export interface MaskSummary {
  readonly kept: number;
  readonly checksum: bigint;
}

/** A mask and the scores of its weights: f32, plain, of the mask's shape. */
export interface ScoredMask {
  readonly mask: Mask;
  readonly scores: Tensor;
}

/**
 * Which weights of one parameter are alive: a bit-packed tensor of its own on the device, never inferred from zeros. Edits are
 * enqueued. Where the arguments fix the number of kept weights, `kept` is known at once; edits whose outcome depends on the data
 * return a promise, and until it resolves `kept` throws. Among equal scores the lower index counts as the larger, NaN as the
 * smallest.
 */
export class Mask implements Disposable {
  readonly size: number;
  readonly #handle: number;
  /** Bits that are freed with the mask. */
  readonly #owned: Tensor | undefined;
  #kept: number | undefined;
  #edits = 0;

  /** @param bits u32 [ceil(size / 32)], taken as they are; `kept` of them are set. They stay the caller's to dispose. */
  constructor(
    readonly device: Device,
    readonly bits: Tensor,
    readonly shape: readonly number[],
    kept: number,
    options: { readonly ownsBits?: boolean } = {},
  ) {
    this.size = shape.reduce((product, extent) => product * extent, 1);
    this.#handle = device.native.createMask(bits.handle, shape);
    this.#owned = options.ownsBits === true ? bits : undefined;
    this.#kept = kept;
  }

  get handle(): number {
    return this.#handle;
  }

  /** Number of kept weights. Throws ArgumentError while an edit that must be counted is under way. */
  get kept(): number {
    if (this.#kept === undefined) {
      throw new ArgumentError(
        `mask.kept: the last edit of the mask ${JSON.stringify(this.shape)} has not been counted yet; await its promise`,
        { op: 'mask.kept' },
      );
    }
    return this.#kept;
  }

  get density(): number {
    return this.kept / this.size;
  }

  /** True when no weight is masked; ops then take their dense form. */
  get full(): boolean {
    return this.kept === this.size;
  }

  fill(keep: boolean): void {
    this.device.native.maskFill(this.#handle, keep);
    this.#set(keep ? this.size : 0);
  }

  /** Keeps exactly `keep` weights, uniformly without replacement. */
  random(keep: number, key: StreamKey): void {
    checkCount('random', keep, this.size, [this]);
    this.device.native.maskRandom(this.#handle, keep, key[0], key[1]);
    this.#set(keep);
  }

  /** Keeps exactly the `keep` largest scores. */
  topK(scores: Tensor, keep: number): void {
    checkCount('topK', keep, this.size, [this]);
    this.device.native.maskTopK([this.#handle], [scores.handle], keep);
    this.#set(keep);
  }

  /** Removes the `count` smallest scores among the kept. */
  drop(scores: Tensor, count: number): void {
    const { kept } = this;
    checkCount('drop', count, kept, [this]);
    this.device.native.maskDrop([this.#handle], [scores.handle], count);
    this.#set(kept - count);
  }

  /** Removes the kept weights whose score is below the threshold, but leaves at least the `atLeast` largest of them. */
  dropBelow(scores: Tensor, threshold: number, atLeast = 0): Promise<void> {
    return Mask.edit([this], () => this.device.native.maskDropBelow(this.#handle, scores.handle, threshold, atLeast));
  }

  /** Adds the `count` largest scores among the weights not kept. */
  grow(scores: Tensor, count: number): void {
    const { kept } = this;
    checkCount('grow', count, this.size - kept, [this]);
    this.device.native.maskGrow([this.#handle], [scores.handle], count);
    this.#set(kept + count);
  }

  /**
   * Adds `count` weights not kept, uniformly. None that `except` keeps: where too few are left then, the next wait for the device
   * rejects.
   */
  growRandom(count: number, key: StreamKey, except?: Mask): void {
    const { kept } = this;
    checkCount('growRandom', count, this.size - kept, [this]);
    this.device.native.maskGrowRandom(this.#handle, except?.handle ?? 0, count, key[0], key[1]);
    this.#set(kept + count);
  }

  /** Takes over the bits of a mask of the same shape. */
  copyFrom(other: Mask): void {
    this.device.native.maskCombine(CombineOp.copy, other.handle, this.#handle);
    this.#set(other.kept);
  }

  /** Keeps what both keep. */
  intersect(other: Mask): Promise<void> {
    return this.#combine('intersect', other);
  }

  /** Keeps what either keeps. */
  unite(other: Mask): Promise<void> {
    return this.#combine('unite', other);
  }

  /** Removes what `other` keeps. */
  subtract(other: Mask): Promise<void> {
    return this.#combine('subtract', other);
  }

  /** A mask of its own with the same bits. The caller disposes it. */
  clone(): Mask {
    const bits = unscoped(() => this.device.zeros(this.bits.shape, { dtype: 'u32' }));
    const copy = new Mask(this.device, bits, this.shape, 0, { ownsBits: true });
    copy.copyFrom(this);
    return copy;
  }

  /** Bits as packed words: bit i % 32 of word i / 32 belongs to weight i. Bits past `size` are ignored. */
  write(words: Uint32Array): void {
    this.device.native.maskWrite(this.#handle, words);
    this.#set(countBits(words, this.size));
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
    this.#owned?.dispose();
  }

  /** @internal Runs an edit whose outcome depends on the data, then counts. */
  static async edit(masks: readonly Mask[], edit: () => void): Promise<void> {
    edit();
    for (const mask of masks) mask.#set(undefined);
    await Promise.all(masks.map((mask) => mask.#count()));
  }

  #combine(op: keyof typeof CombineOp, other: Mask): Promise<void> {
    return Mask.edit([this], () => this.device.native.maskCombine(CombineOp[op], other.handle, this.#handle));
  }

  #set(kept: number | undefined): void {
    this.#kept = kept;
    this.#edits += 1;
  }

  /** Counts the bits as they are now, unless they were edited again meanwhile. */
  async #count(): Promise<void> {
    const edits = this.#edits;
    const { kept } = await this.summary();
    if (this.#edits === edits) this.#kept = kept;
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function checkCount(op: string, count: number, high: number, masks: readonly Mask[]): void {
  if (Number.isInteger(count) && count >= 0 && count <= high) return;
  const [first] = masks;
  const what = masks.length === 1 ? `a mask ${JSON.stringify(first?.shape)}` : `${masks.length} masks`;
  throw new ArgumentError(
    `mask.${op}: count ${count} for ${what} with ${sum(masks.map(({ kept }) => kept))} of ` +
      `${sum(masks.map(({ size }) => size))} kept; it must be a whole number from 0 to ${high}`,
    { op: `mask.${op}` },
  );
}

const ranking = { topK: 'maskTopK', drop: 'maskDrop', grow: 'maskGrow' } as const;

/** Enqueues an op that ranks the weights of several masks together, and counts what each mask kept. */
function rank(
  op: keyof typeof ranking,
  scored: readonly ScoredMask[],
  count: number,
  available: (mask: Mask) => number,
): Promise<void> {
  const masks = scored.map(({ mask }) => mask);
  const [first] = masks;
  checkCount(`together.${op}`, count, sum(masks.map(available)), masks);
  if (first === undefined) return Promise.resolve();
  const { native } = first.device;
  const handles = masks.map(({ handle }) => handle);
  const scores = scored.map(({ scores }) => scores.handle);
  return Mask.edit(masks, () => native[ranking[op]](handles, scores, count));
}

/**
 * Edits that rank the weights of several masks together (global ranking), as if the parameters lay one behind the other: among equal
 * scores the earlier mask, then the lower index, counts as the larger. How many weights each mask keeps is known once the promise
 * resolves. Throw ArgumentError for more weights than there are.
 */
export const together = {
  /** Keeps exactly the `keep` largest scores. */
  topK: (scored: readonly ScoredMask[], keep: number): Promise<void> => rank('topK', scored, keep, ({ size }) => size),
  /** Removes the `count` smallest scores among the kept. */
  drop: (scored: readonly ScoredMask[], count: number): Promise<void> =>
    rank('drop', scored, count, ({ kept }) => kept),
  /** Adds the `count` largest scores among the weights not kept. */
  grow: (scored: readonly ScoredMask[], count: number): Promise<void> =>
    rank('grow', scored, count, ({ size, kept }) => size - kept),
} as const;

function countBits(words: Uint32Array, size: number): number {
  let count = 0;
  words.forEach((word, index) => {
    const rest = size - index * 32;
    let bits = rest >= 32 ? word : rest <= 0 ? 0 : word & ((1 << rest) - 1);
    for (; bits !== 0; bits &= bits - 1) count += 1;
  });
  return count;
}
