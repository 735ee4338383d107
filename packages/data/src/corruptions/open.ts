import { DataError } from '@s2sam/core';
import { corruptionFiles, openCifarC } from './cifarC.js';
import { holdsImageNetC, type OpenTree, openImageNetC } from './imagenetC.js';
import type { CifarName } from './note.js';
import type { CorruptionSource } from './source.js';

export interface OpenCorruptionsOptions {
  /** Which CIFAR the files belong to, where the folder holds .npy files: a folder does not tell. */
  readonly cifar?: CifarName | undefined;
  /** How folders of images are opened, where the folder is a tree of them. */
  readonly openTree?: OpenTree | undefined;
}

/** Opens CIFAR-C or ImageNet-C by what lies in the folder. Throws DataError where it is neither, or what opens it is not given; IoError. */
export function openCorruptions(folder: string, { cifar, openTree }: OpenCorruptionsOptions): CorruptionSource {
  const fail = (what: string): never => {
    throw new DataError(`openCorruptions: ${folder} ${what}`, { op: 'openCorruptions' });
  };
  if (corruptionFiles(folder).length > 0) {
    return cifar === undefined
      ? fail('holds .npy files, those of CIFAR, but the network was trained on other images; name another folder')
      : openCifarC(folder, cifar);
  }
  if (holdsImageNetC(folder)) {
    return openTree === undefined
      ? fail('is a tree of image files, which cannot be opened for this network; name a folder of .npy files')
      : openImageNetC(folder, openTree);
  }
  return fail(
    'holds no corrupted images; expected <corruption>.npy and labels.npy (CIFAR), or folders <corruption>/<severity>/<class> (ImageNet)',
  );
}
