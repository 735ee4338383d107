import { ArgumentError, type ImageDataset } from '@s2sam/core';
import { type CifarOptions, type CifarSpec, cifar10Spec, cifar100Spec, openCifar } from './cifar.js';
import { DatasetUnavailableError } from './errors.js';
import { type ProceduralOptions, proceduralImages } from './procedural.js';

export type DatasetName = 'cifar10' | 'cifar100' | 'procedural';

export interface OpenDatasetOptions extends CifarOptions {
  /** Take made-up images with as many classes where a CIFAR set is neither found nor to be had. Default false. */
  readonly fallback?: boolean;
  /** For the made-up images. */
  readonly procedural?: ProceduralOptions;
}

export interface OpenedDataset {
  readonly dataset: ImageDataset;
  /** What the user must be told: that these are not the images asked for, and why. */
  readonly notice?: string;
}

const cifars: Readonly<Record<string, CifarSpec>> = { cifar10: cifar10Spec, cifar100: cifar100Spec };

/**
 * A data set by its name. Damaged files are an error (DataError) even with `fallback`. Throws ArgumentError for an unknown name, and
 * what `cifar10` and `proceduralImages` throw.
 */
export async function openDataset(name: DatasetName, options: OpenDatasetOptions = {}): Promise<OpenedDataset> {
  if (name === 'procedural') return { dataset: proceduralImages(options.procedural) };
  const spec = Object.hasOwn(cifars, name) ? cifars[name] : undefined;
  if (spec === undefined) {
    throw new ArgumentError(`openDataset: unknown data set '${name}'; it must be cifar10, cifar100 or procedural`, {
      op: 'openDataset',
    });
  }
  return openOrReplace(spec, options);
}

export async function openOrReplace(spec: CifarSpec, options: OpenDatasetOptions): Promise<OpenedDataset> {
  try {
    return { dataset: await openCifar(spec, options) };
  } catch (error) {
    if (options.fallback !== true || !(error instanceof DatasetUnavailableError)) throw error;
    const dataset = proceduralImages({ ...options.procedural, classes: spec.classes });
    const notice = `made-up images (${dataset.name}) in place of ${spec.name}, accuracies compare with nothing: ${error.message}`;
    return { dataset, notice };
  }
}
