import { ArgumentError } from '../errors.js';
import type { Classifier } from './classifier.js';
import {
  type ResNetOptions,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  wideResnet50_2,
  wideResnet101_2,
} from './resnet.js';
import { resnet20, resnet32, resnet44, resnet56 } from './resnetCifar.js';
import { vgg19 } from './vgg.js';
import { vgg16Imagenet, vgg19Imagenet } from './vggImagenet.js';
import { wideResnet16_4, wideResnet22_2, wideResnet28_2, wideResnet28_10 } from './wideResnetCifar.js';

/** ResNets of ImageNet. */
const residual = { resnet18, resnet34, resnet50, resnet101, wideResnet50_2, wideResnet101_2 } as const;

const builders = {
  resnet18,
  resnet20,
  resnet32,
  resnet34,
  resnet44,
  resnet50,
  resnet56,
  resnet101,
  wideResnet16_4,
  wideResnet22_2,
  wideResnet28_2,
  wideResnet28_10,
  wideResnet50_2,
  wideResnet101_2,
  vgg19,
  vgg16Imagenet,
  vgg19Imagenet,
} as const;

export type ModelName = keyof typeof builders;

export const modelNames = Object.keys(builders) as readonly ModelName[];

/**
 * A model by its name, as checkpoints and configurations give it. Throws ArgumentError for an unknown one, and for `zeroInitResidual` of a
 * model that has no such choice.
 */
export function createModel(name: string, { zeroInitResidual = false, ...options }: ResNetOptions): Classifier {
  if (!Object.hasOwn(builders, name)) {
    throw new ArgumentError(`createModel: unknown model '${name}'; it must be one of ${modelNames.join(', ')}`, {
      op: 'createModel',
    });
  }
  if (!zeroInitResidual) return builders[name as ModelName](options);
  if (Object.hasOwn(residual, name)) return residual[name as keyof typeof residual]({ ...options, zeroInitResidual });
  throw new ArgumentError(
    `createModel: ${name} cannot start with zeroInitResidual; models that can: ${Object.keys(residual).join(', ')}`,
    { op: 'createModel' },
  );
}
