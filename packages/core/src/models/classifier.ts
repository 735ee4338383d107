import type { Device } from '../device/device.js';
import { Module } from '../nn/module.js';

/** A network from images [N, C, H, W] to logits [N, classes]. */
export abstract class Classifier extends Module {
  constructor(
    /** As checkpoints and logs name it, e.g. `resnet32`. */
    readonly name: string,
    readonly classes: number,
    /** Channels of the images it takes. */
    readonly channels: number,
  ) {
    super();
  }
}

export interface ModelOptions {
  readonly device: Device;
  /** Default 10. */
  readonly classes?: number;
  /** Default 0. Initial weights depend on (seed, parameter name) alone. */
  readonly seed?: number;
}
