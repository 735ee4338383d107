import { modelNames } from '@s2sam/core';
import * as v from 'valibot';
import { type OptionName, optionFields, optionHelp, optionNames } from '../sparsity/fields.js';
import { methodNames, optionsOf } from '../sparsity/methods.js';
import type { SparsityConfig } from '../sparsity/settle.js';
import {
  atLeastZero,
  belowOne,
  count,
  duration,
  epochList,
  flag,
  oneOf,
  positive,
  positiveInteger,
  share,
  sizeList,
  text,
} from './fields.js';

/** Everything a run depends on, with the defaults of the keys that have one. */
export const configSchema = v.strictObject({
  model: v.optional(
    v.strictObject({
      name: v.optional(oneOf(...modelNames), 'resnet32'),
      dtype: v.optional(oneOf('f32', 'f16', 'bf16'), 'f32'),
      zeroInitResidual: v.optional(flag, false),
      weights: v.exactOptional(text),
      skipClassifier: v.optional(flag, false),
    }),
    {},
  ),
  data: v.optional(
    v.strictObject({
      name: v.optional(oneOf('cifar10', 'cifar100', 'imagenet', 'images', 'procedural'), 'cifar10'),
      root: v.exactOptional(text),
      download: v.optional(flag, true),
      fallback: v.optional(flag, false),
      classes: v.exactOptional(positiveInteger),
      imageSize: v.exactOptional(positiveInteger),
      trainImages: v.exactOptional(positiveInteger),
      testImages: v.exactOptional(positiveInteger),
      resize: v.exactOptional(count),
      leastArea: v.exactOptional(share),
      workers: v.optional(count, 0),
      broken: v.optional(oneOf('error', 'skip'), 'error'),
    }),
    {},
  ),
  train: v.optional(
    v.strictObject({
      epochs: v.exactOptional(positive),
      steps: v.exactOptional(positiveInteger),
      timeBudget: v.exactOptional(duration),
      batchSize: v.optional(positiveInteger, 128),
      accumulate: v.optional(positiveInteger, 1),
      labelSmoothing: v.optional(belowOne, 0),
      mixup: v.optional(atLeastZero, 0),
      cutmix: v.optional(atLeastZero, 0),
      ema: v.optional(belowOne, 0),
      emaWarmup: v.optional(flag, true),
      augment: v.optional(flag, true),
      imageSizes: v.optional(sizeList, []),
      seed: v.optional(count, 0),
      evaluateEvery: v.optional(count, 1),
    }),
    {},
  ),
  optimizer: v.optional(
    v.strictObject({
      name: v.optional(oneOf('sgd', 'sam', 's2sam'), 's2sam'),
      lr: v.optional(positive, 0.1),
      schedule: v.optional(oneOf('cosine', 'multistep', 'constant'), 'cosine'),
      endLr: v.optional(atLeastZero, 0),
      milestones: v.optional(epochList, []),
      gamma: v.optional(positive, 0.1),
      warmupEpochs: v.optional(atLeastZero, 0),
      momentum: v.optional(belowOne, 0.9),
      nesterov: v.optional(flag, false),
      weightDecay: v.optional(atLeastZero, 1e-4),
      decayWeightsOnly: v.optional(flag, false),
      maxGradNorm: v.optional(atLeastZero, 0),
      rho: v.optional(atLeastZero, 0.05),
      policy: v.optional(oneOf('masked', 'dense'), 'masked'),
      adaptive: v.optional(flag, false),
      startEpoch: v.optional(atLeastZero, 0),
    }),
    {},
  ),
  sparsity: v.optional(
    v.strictObject({
      method: v.exactOptional(oneOf('dense', ...methodNames)),
      density: v.exactOptional(share),
      sparsity: v.exactOptional(belowOne),
      ...optionFields,
    }),
    {},
  ),
  device: v.optional(
    v.strictObject({
      kind: v.optional(oneOf('auto', 'cpu', 'cuda'), 'auto'),
      threads: v.optional(count, 0),
    }),
    {},
  ),
  output: v.optional(
    v.strictObject({
      dir: v.exactOptional(text),
      logEvery: v.optional(positiveInteger, 50),
      checkpointEvery: v.optional(positiveInteger, 1),
      checkpointSteps: v.optional(count, 0),
    }),
    {},
  ),
});

type Parsed = v.InferOutput<typeof configSchema>;

/** A checked configuration: `sparsity` is settled, and of the three lengths exactly one is given. */
export interface Config extends Omit<Parsed, 'sparsity'> {
  readonly sparsity: SparsityConfig;
}

export type Section = keyof Config;

/** The methods that take an option. */
const takenBy = (option: OptionName): string =>
  methodNames.filter((method) => optionsOf(method).includes(option)).join(', ');

/** What each key is for: the comment column of `--help`. */
export const keyHelp: Readonly<Record<string, string>> = {
  'model.name': 'network',
  'model.dtype': 'what it computes in; f16 and bf16 need a CUDA device',
  'model.zeroInitResidual': 'start with the last gamma of each residual block at 0 (ResNets of ImageNet)',
  'model.weights': 'safetensors file of pretrained weights to start from, named as torchvision or timm do',
  'model.skipClassifier': 'of these weights, leave out the last layer (other classes)',
  'data.name': 'data set',
  'data.root': 'folder of the data files, or packed store; also looked for: $S2SAM_DATA, then the cache folder',
  'data.download': 'fetch missing files',
  'data.fallback': 'train on made-up images when the files cannot be had',
  'data.classes': 'of made-up images',
  'data.imageSize': 'height and width of made-up images, and of images in files (default 224)',
  'data.trainImages': 'number of made-up training images',
  'data.testImages': 'number of made-up test images',
  'data.resize':
    'shorter side of images in files before evaluation cuts out the middle; 0: as they are; default 8/7 of imageSize',
  'data.leastArea': 'least share of an image that a random crop of training has; default 0.08',
  'data.workers': 'threads that decode images; 0: one on a CPU, else one per core, 16 at most',
  'data.broken': 'images that cannot be read: end the training, or take the next one and say so',
  'train.epochs': 'length in epochs (may be a fraction)',
  'train.steps': 'length in optimizer steps',
  'train.timeBudget': 'length in time of training; the steps are measured and fixed first',
  'train.batchSize': 'images of a forward and backward pass, and of a step where accumulate is 1',
  'train.accumulate': 'passes over other images whose gradients a step averages',
  'train.labelSmoothing': 'share of the target spread over all classes',
  'train.mixup': 'alpha of mixup; 0: off. Given mixup and cutmix, either is taken with probability 1/2',
  'train.cutmix': 'alpha of CutMix; 0: off',
  'train.ema': 'decay of a moving average of the weights, which is tested and kept too; 0: none',
  'train.emaWarmup': 'let the average follow the weights faster in the first steps',
  'train.augment': 'random crop and flip',
  'train.imageSizes': 'progressive resizing of images in files: [epoch, size] pairs, each from its epoch on',
  'train.seed': 'weights, masks, data order and augmentation',
  'train.evaluateEvery': 'epochs between evaluations; 0: never',
  'optimizer.name': 'update rule',
  'optimizer.lr': 'peak learning rate',
  'optimizer.schedule': 'course of the learning rate',
  'optimizer.endLr': 'last learning rate of cosine',
  'optimizer.milestones': 'epochs at which multistep multiplies by gamma',
  'optimizer.gamma': 'factor of multistep',
  'optimizer.warmupEpochs': 'linear warm-up',
  'optimizer.momentum': '',
  'optimizer.nesterov': '',
  'optimizer.weightDecay': '',
  'optimizer.decayWeightsOnly': 'spare batch norm and biases from weight decay',
  'optimizer.maxGradNorm': 'clip the gradient to this norm; 0: no clipping',
  'optimizer.rho': 'radius of the perturbation (sam, s2sam)',
  'optimizer.policy': 'keep masked weights out of the perturbation, or not',
  'optimizer.adaptive': 'scale the perturbation by the weights (ASAM)',
  'optimizer.startEpoch': 'first epoch with a perturbation',
  'sparsity.method': 'default: static when a density is given',
  'sparsity.density': 'kept share of the maskable weights',
  'sparsity.sparsity': '1 - density; give one of the two',
  ...Object.fromEntries(optionNames.map((name) => [`sparsity.${name}`, `${optionHelp[name]} (${takenBy(name)})`])),
  'device.kind': 'auto: a usable CUDA device, else the CPU',
  'device.threads': 'CPU threads; 0: one per core',
  'output.dir': 'run folder; default runs/<date>-<what>',
  'output.logEvery': 'steps between log lines',
  'output.checkpointEvery': 'epochs between writes of last.safetensors',
  'output.checkpointSteps': 'steps between further writes of last.safetensors, within epochs; 0: none',
};
