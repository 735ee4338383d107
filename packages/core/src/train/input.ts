import type { FloatName } from '@s2sam/native';
import type { Device } from '../device/device.js';
import type { Batching } from './batching.js';
import type { Place } from './length.js';
import { type BatchTensors, Loader } from './loader.js';
import { drawMix, type MixAlphas, Mixing } from './mix.js';
import type { TrainOptions } from './options.js';

/** The batches of a training: in micro-batches, and with images mixed, where the options say so. */
export class TrainInput implements Disposable {
  readonly loader: Loader;
  readonly #options: TrainOptions;
  readonly #parts: number;
  readonly #alphas: MixAlphas;
  readonly #mixing: Mixing | undefined;

  constructor(device: Device, options: TrainOptions, { batchSize, accumulate, images }: Batching) {
    const { data, imageSize, augment = true, seed = 0, mixup = 0, cutmix = 0 } = options;
    this.#options = options;
    this.#parts = accumulate;
    this.#alphas = { mixup, cutmix };
    this.#mixing = mixup > 0 || cutmix > 0 ? new Mixing(device, batchSize, accumulate) : undefined;
    this.loader = new Loader(device, data, data.train, {
      batchSize: images,
      parts: accumulate,
      mixing: this.#mixing,
      shuffle: { seed, augment },
      ...(imageSize === undefined ? {} : { imageSize }),
    });
  }

  /** Makes the batch of a step the one that `load` reads. */
  async select({ epochOfRound, batch, progress }: Place): Promise<void> {
    await this.loader.select(epochOfRound, batch);
    const { seed = 0 } = this.#options;
    const size = this.#imageSize(epochOfRound);
    const parts = Array.from({ length: this.#parts }, (_, part) => part);
    this.#mixing?.write(parts.map((part) => drawMix(this.#alphas, size, seed, progress.step, part)));
  }

  /** One micro-batch of the selected batch; may be recorded. */
  load(dtype: FloatName, part: number): BatchTensors {
    return this.loader.load(dtype, part);
  }

  [Symbol.dispose](): void {
    this.loader[Symbol.dispose]();
    this.#mixing?.[Symbol.dispose]();
  }

  #imageSize(epoch: number): readonly [number, number] {
    const { data, imageSize } = this.#options;
    const [, height, width] = data.imageShape;
    const size = imageSize?.(epoch);
    return size === undefined ? [height, width] : [size, size];
  }
}
