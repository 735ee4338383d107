import { hostname } from 'node:os';
import { join } from 'node:path';
import type { LayerDensity, StepEvent, TrainEvent } from '@s2sam/core';
import { scalarsEvent, versionEvent } from '../tensorboard/event.js';
import { encodeRecord } from '../tensorboard/record.js';
import { AppendFile } from './appendFile.js';
import type { Consumer } from './consumer.js';
import { Meter } from './meter.js';

/**
 * A TensorBoard event file in the run folder: averages of every `every` steps under `train/`, evaluations under `test/`, densities
 * under `density/`, what mask updates did under `masks/`. Made-up data puts `synthetic/` before every tag.
 */
export class TensorBoard implements Consumer {
  readonly #file: AppendFile;
  readonly #meter = new Meter();
  #prefix = '';

  /** Throws IoError. */
  constructor(
    folder: string,
    private readonly every: number,
  ) {
    // TensorBoard reads the files of a folder in the order of their names: seconds first, then something unique.
    const name = `events.out.tfevents.${Math.floor(Date.now() / 1000)}.${hostname()}.${process.pid}`;
    this.#file = new AppendFile(join(folder, name));
    this.#file.write(encodeRecord(versionEvent(Date.now() / 1000)));
  }

  on(event: TrainEvent): void {
    if (event.type === 'start') {
      this.#prefix = event.dataset.synthetic ? 'synthetic/' : '';
      this.#write(event.startStep, densities(event.density, event.layers));
    }
    if (event.type === 'mask') {
      const total = (what: 'dropped' | 'grown'): number => event.layers.reduce((sum, layer) => sum + layer[what], 0);
      this.#write(event.step, {
        ...densities(event.density, event.layers),
        'masks/dropped': total('dropped'),
        'masks/grown': total('grown'),
        'masks/explored': event.explored,
        'masks/inference_flops_ratio': event.flops.sparse / event.flops.dense,
      });
    }
    if (event.type === 'step') this.#step(event);
    if (event.type === 'epoch') {
      this.#write(event.step, {
        'epoch/train_loss': event.trainLoss,
        'epoch/train_accuracy': event.trainAccuracy,
        ...(event.testLoss === undefined ? {} : { 'test/loss': event.testLoss }),
        ...(event.testAccuracy === undefined ? {} : { 'test/accuracy': event.testAccuracy }),
        ...(event.testLossEma === undefined ? {} : { 'test/lossEma': event.testLossEma }),
        ...(event.testAccuracyEma === undefined ? {} : { 'test/accuracyEma': event.testAccuracyEma }),
      });
    }
  }

  close(): void {
    this.#file.close();
  }

  #step(event: StepEvent): void {
    this.#meter.add(event);
    if (event.step % this.every !== 0) return;
    const { loss, accuracy, gradNorm, imagesPerSecond, dataWait } = this.#meter.take();
    this.#write(event.step, {
      'train/loss': loss,
      'train/accuracy': accuracy,
      'train/lr': event.lr,
      'train/grad_norm': gradNorm,
      'train/images_per_second': imagesPerSecond,
      'train/data_wait': dataWait,
    });
  }

  #write(step: number, scalars: Readonly<Record<string, number>>): void {
    const tagged = Object.fromEntries(Object.entries(scalars).map(([tag, value]) => [this.#prefix + tag, value]));
    this.#file.write(encodeRecord(scalarsEvent(Date.now() / 1000, step, tagged)));
  }
}

const densities = (total: number, layers: readonly LayerDensity[]): Record<string, number> => ({
  'density/total': total,
  ...Object.fromEntries(layers.map((layer) => [`density/${layer.name}`, layer.density])),
});
