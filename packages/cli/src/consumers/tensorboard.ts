import type { LayerDensity, TrainEvent } from '@s2sam/core';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { scalarsEvent, versionEvent } from '../tensorboard/event.js';
import { encodeRecord } from '../tensorboard/record.js';
import { AppendFile } from './append-file.js';
import type { Consumer } from './consumer.js';
import { Meter } from './meter.js';

/**
 * A TensorBoard event file in the run folder: averages of every `every` steps under `train/`, evaluations under `test/`, densities
 * under `density/`. Made-up data puts `synthetic/` before every tag.
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
    switch (event.type) {
      case 'start':
        this.#prefix = event.dataset.synthetic ? 'synthetic/' : '';
        return this.#write(event.startStep, densities(event.density, event.layers));
      case 'step': {
        this.#meter.add(event);
        if (event.step % this.every !== 0) return;
        const { loss, accuracy, gradNorm, imagesPerSecond, dataWait } = this.#meter.take();
        return this.#write(event.step, {
          'train/loss': loss,
          'train/accuracy': accuracy,
          'train/lr': event.lr,
          'train/grad_norm': gradNorm,
          'train/images_per_second': imagesPerSecond,
          'train/data_wait': dataWait,
        });
      }
      case 'mask':
        return this.#write(event.step, densities(event.density, event.layers));
      case 'epoch':
        return this.#write(event.step, {
          'epoch/train_loss': event.trainLoss,
          'epoch/train_accuracy': event.trainAccuracy,
          ...(Number.isFinite(event.testAccuracy)
            ? { 'test/loss': event.testLoss, 'test/accuracy': event.testAccuracy }
            : {}),
        });
      case 'end':
        return;
    }
  }

  close(): void {
    this.#file.close();
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
