import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { env } from 'node:process';
import { DataError } from '@s2sam/core';
import { DatasetUnavailableError } from './errors.js';
import { type ImagesDataset, type ImagesOptions, openImages } from './images/open.js';
import { STORE_ENDING } from './images/store.js';

const CLASSES = 1000;

/** Where it may be. */
const candidates = (root: string | undefined): string[] =>
  [
    root,
    env.S2SAM_DATA && join(env.S2SAM_DATA, 'imagenet'),
    env.S2SAM_DATA && join(env.S2SAM_DATA, `imagenet${STORE_ENDING}`),
  ].filter((place): place is string => Boolean(place));

/**
 * ImageNet-1K (Russakovsky et al. 2015): 1,281,167 training and 50,000 validation images of 1000 classes, in any form that `openImages`
 * reads. Looked for in `root`, then in `imagenet` and `imagenet.s2pack` in the folder that `S2SAM_DATA` names. Its licence does not let
 * it be downloaded here. Throws DatasetUnavailableError where it is not found, DataError where it does not have 1000 classes, and what
 * `openImages` throws.
 */
export async function imagenet(
  options: Omit<ImagesOptions, 'root' | 'name'> & { readonly root?: string } = {},
): Promise<ImagesDataset> {
  const places = candidates(options.root);
  const root = places.find((place) => existsSync(place));
  if (root === undefined) {
    throw new DatasetUnavailableError(
      `imagenet is in none of ${places.join(', ') || 'the places looked at'}; get it from image-net.org or a model hub, and give its folder as root ` +
        'or set S2SAM_DATA to the folder that holds imagenet',
      { op: 'imagenet' },
    );
  }
  const dataset = await openImages({ ...options, root, name: 'imagenet' });
  if (dataset.classes === CLASSES) return dataset;
  dataset[Symbol.dispose]();
  throw new DataError(
    `imagenet: ${root} has ${dataset.classes} classes instead of ${CLASSES}; complete it, or open it as a data set of its own (images)`,
    { op: 'imagenet' },
  );
}
