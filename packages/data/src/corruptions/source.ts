import type { AnySplit, ImageDataset } from '@s2sam/core';
import type { CorruptionName, Severity } from './names.js';

/** Corrupted copies of a test set: one set of images per corruption and severity, opened one at a time. */
export interface CorruptionSource {
  /** E.g. `cifar10-c`, `imagenet-c`; of images made by `generateCifarC`, `cifar10-c-generated`. */
  readonly name: string;
  /** Made by this project, not the released files: the numbers compare with no published ones. */
  readonly generated: boolean;
  /** Whether these are the images that AlexNet's errors (`alexNetErrors`) belong to, given a network of 1000 classes. */
  readonly alexNet: boolean;
  /** What is there. */
  readonly available: ReadonlyMap<CorruptionName, readonly Severity[]>;
  /**
   * The images are the `test` part; `train` is empty. Throws DataError for damaged files, and for a corruption or severity that is not
   * there.
   */
  open(corruption: CorruptionName, severity: Severity): Promise<ImageDataset<AnySplit>>;
}
