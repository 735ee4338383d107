import type { Device } from '../device/device.js';
import { streamKey } from '../random/key.js';
import { philox } from '../random/philox.js';
import { unscoped } from '../tensor/scope.js';
import { Tensor } from '../tensor/tensor.js';

/** Alphas of Beta(alpha, alpha), from which the share of an image in its mixture is drawn; 0: off. */
export interface MixAlphas {
  readonly mixup: number;
  readonly cutmix: number;
}

/** How the images of one batch are mixed with their partners. */
export interface Mix {
  /** Share of an image itself, also in the loss. */
  readonly lambda: number;
  /** CutMix: columns x0 to x1 - 1 of rows y0 to y1 - 1 are the partner's. Empty: all pixels are mixed by `lambda`. */
  readonly box: readonly [x0: number, y0: number, x1: number, y1: number];
}

/** Of a batch whose images are mixtures: labels i32 [N] of the partners, and what each side counts for, f32 [1] on the device. */
export interface Mixture {
  readonly partners: Tensor;
  /** lambda and 1 - lambda. */
  readonly shares: readonly [own: Tensor, partner: Tensor];
  /** 1 for the side with the larger share, 0 for the other: whose label an answer must have to be counted as right. */
  readonly dominance: readonly [own: Tensor, partner: Tensor];
}

const NO_BOX = [0, 0, 0, 0] as const;
/** lambda and box as `augment` takes them, then 1 - lambda and the dominance of either side. */
const NUMBERS = 8;
const Slot = { lambda: 0, rest: 5, own: 6, partner: 7 } as const;
const AUGMENT_NUMBERS = 5;

/** What of the numbers belongs to one micro-batch. */
interface Part extends Pick<Mixture, 'shares' | 'dominance'> {
  readonly numbers: Tensor;
}

type Uniform = () => number;

/** Numbers in (0, 1], a function of the key and `part`: each takes 53 bits of its own counter. */
function uniformsOf(seed: number, step: number, part: number): Uniform {
  const key = streamKey(seed, 'mix', step);
  let index = 0;
  return () => {
    const [high, low] = philox(key, index++, part);
    return ((high >>> 11) * 0x100000000 + low + 1) / 0x20000000000000;
  };
}

/** Logarithm of a Gamma(shape, 1) variate (Marsaglia & Tsang 2000, with their step for shapes below 1). */
function logGamma(shape: number, uniform: Uniform): number {
  if (shape < 1) return logGamma(shape + 1, uniform) + Math.log(uniform()) / shape;
  const d = shape - 1 / 3;
  for (;;) {
    const normal = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    const v = (1 + normal / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(uniform()) < normal ** 2 / 2 + d * (1 - v + Math.log(v))) return Math.log(d * v);
  }
}

/** Beta(alpha, alpha) as the share of one of two gamma variates; in logarithms, since those of small alphas underflow. */
function symmetricBeta(alpha: number, uniform: Uniform): number {
  const first = logGamma(alpha, uniform);
  return 1 / (1 + Math.exp(logGamma(alpha, uniform) - first));
}

/**
 * CutMix's box (Yun et al. 2019): it covers 1 - lambda of the image before it is clipped at the borders, and has its middle at
 * (x, y). `lambda` becomes the share that is left of the image, as in torchvision's `v2.CutMix`.
 */
export function cutmixOf(lambda: number, [x, y]: readonly [number, number], [h, w]: readonly [number, number]): Mix {
  const ratio = Math.sqrt(1 - lambda) / 2;
  const [halfWidth, halfHeight] = [Math.floor(ratio * w), Math.floor(ratio * h)];
  const [x0, x1] = [Math.max(0, x - halfWidth), Math.min(w, x + halfWidth)];
  const [y0, y1] = [Math.max(0, y - halfHeight), Math.min(h, y + halfHeight)];
  const left = 1 - ((x1 - x0) * (y1 - y0)) / (w * h);
  return { lambda: left, box: left < 1 ? [x0, y0, x1, y1] : NO_BOX };
}

/** How to mix one batch (`part` of the micro-batches) of a step: a function of its arguments alone. `size`: [H, W]. */
export function drawMix(
  { mixup, cutmix }: MixAlphas,
  size: readonly [number, number],
  seed: number,
  step: number,
  part = 0,
): Mix {
  const uniform = uniformsOf(seed, step, part);
  const cuts = mixup === 0 || (cutmix > 0 && uniform() <= 0.5);
  const lambda = symmetricBeta(cuts ? cutmix : mixup, uniform);
  if (!cuts) return { lambda, box: NO_BOX };
  const below = (count: number): number => Math.ceil(uniform() * count) - 1;
  const [h, w] = size;
  return cutmixOf(lambda, [below(w), below(h)], size);
}

/**
 * Mixes the batches of a loader: every image with the one before it in its batch, the first with the last (torchvision's MixUp and
 * CutMix). The numbers of a step lie on the device, so that steps can be recorded; write them before each.
 */
export class Mixing implements Disposable {
  readonly #numbers: Tensor;
  /** i32 [N]: the place of each image's partner. */
  readonly #partners: Tensor;
  readonly #owned: Tensor[];
  readonly #parts: readonly Part[];

  /** @param batchSize of a micro-batch; @param parts micro-batches of a step */
  constructor(
    private readonly device: Device,
    batchSize: number,
    parts = 1,
  ) {
    const partners = Int32Array.from({ length: batchSize }, (_, i) => (i === 0 ? batchSize : i) - 1);
    const owned: Tensor[] = [];
    const own = (tensor: Tensor): Tensor => {
      owned.push(tensor);
      return tensor;
    };
    this.#owned = owned;
    [this.#numbers, this.#partners, this.#parts] = unscoped(() => {
      const numbers = own(device.zeros([parts, NUMBERS]));
      const view = (part: number, slot: number, size = 1): Tensor => own(numbers.view(part * NUMBERS + slot, [size]));
      return [
        numbers,
        own(device.tensor(partners, [batchSize])),
        Array.from({ length: parts }, (_, part) => ({
          numbers: view(part, Slot.lambda, AUGMENT_NUMBERS),
          shares: [view(part, Slot.lambda), view(part, Slot.rest)] as const,
          dominance: [view(part, Slot.own), view(part, Slot.partner)] as const,
        })),
      ];
    });
  }

  /** How to mix each micro-batch of the step to come. */
  write(mixes: readonly Mix[]): void {
    const rows = mixes.map(({ lambda, box }) => {
      const share = Math.fround(lambda);
      return [share, ...box, 1 - share, share >= 0.5 ? 1 : 0, share >= 0.5 ? 0 : 1];
    });
    this.#numbers.write(Float32Array.from(rows.flat()));
  }

  /** What `augment` reads: f32 [5]. */
  numbers(part: number): Tensor {
    return this.#part(part).numbers;
  }

  /** Of a micro-batch with these labels, i32 [N]. */
  mixture(labels: Tensor, part: number): Mixture {
    const { shares, dominance } = this.#part(part);
    const partners = Tensor.adopt(this.device, this.device.native.gather(labels.handle, this.#partners.handle));
    return { partners, shares, dominance };
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#owned.reverse()) tensor.dispose();
  }

  #part(part: number): Part {
    return this.#parts[part] as Part;
  }
}
