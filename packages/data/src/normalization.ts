import { cifar10Spec, cifar100Spec } from './cifar.js';
import { imagesNormalization } from './images/open.js';
import { proceduralNormalization } from './procedural.js';

/** Per channel, of values from 0 to 1. */
export interface ChannelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * What images of a data set are normalised with, by the name it has when opened (`ImageDataset.name`), or `images` for those in files;
 * undefined for another's.
 */
export function normalizationOf(dataset: string): ChannelStatistics | undefined {
  if (dataset.startsWith('procedural-')) return proceduralNormalization;
  if (dataset === 'images' || dataset === 'imagenet') return imagesNormalization;
  const spec = [cifar10Spec, cifar100Spec].find(({ name }) => name === dataset);
  return spec && { mean: spec.mean, std: spec.std };
}
