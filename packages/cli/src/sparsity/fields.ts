import type { DsrPeriod, MestStage } from '@s2sam/masks';
import * as v from 'valibot';
import {
  atLeastZero,
  belowOne,
  count,
  flag,
  listOf,
  oneOf,
  oneOfOrList,
  oneOfOrNames,
  positive,
  positiveInteger,
  unitShare,
} from '../config/fields.js';
import { layoutNames, ruleNames } from './layout.js';

const number = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);

const isStage = (value: Readonly<Record<string, unknown>>): boolean =>
  Object.keys(value).length === 3 && [value.until, value.dropTo, value.growTo].every(number);

const isPeriod = (value: Readonly<Record<string, unknown>>): boolean =>
  Object.keys(value).length === 2 && [value.from, value.updateEvery].every(number);

/** What sparsity and options of methods may hold, as keys of the section `sparsity`. A key means the same for every method. */
export const optionFields = {
  channelSparsity: v.exactOptional(belowOne),
  layout: v.exactOptional(oneOf(...layoutNames, 'global')),
  dense: v.exactOptional(oneOfOrNames(...ruleNames)),
  powerScale: v.exactOptional(atLeastZero),
  updateEvery: v.exactOptional(positiveInteger),
  updateEveryEpochs: v.exactOptional(positiveInteger),
  startAt: v.exactOptional(unitShare),
  stopAt: v.exactOptional(unitShare),
  dropFraction: v.exactOptional(unitShare),
  dropFractionEnd: v.exactOptional(unitShare),
  anneal: v.exactOptional(oneOf('cosine', 'linear', 'constant', 'cubic')),
  dropBy: v.exactOptional(oneOf('magnitude', 'signed')),
  smoothing: v.exactOptional(unitShare),
  threshold: v.exactOptional(positive),
  replaceShare: v.exactOptional(positive),
  periods: v.exactOptional(listOf<DsrPeriod>('{from, updateEvery}', isPeriod)),
  stages: v.exactOptional(oneOfOrList<'em' | 'em&s', MestStage>(['em', 'em&s'], '{until, dropTo, growTo}', isStage)),
  network: v.exactOptional(oneOf('resnet', 'vgg')),
  gradientWeight: v.exactOptional(atLeastZero),
  pruneFraction: v.exactOptional(positive),
  rewindStep: v.exactOptional(count),
  perturb: v.exactOptional(oneOf('all', 'last')),
  batches: v.exactOptional(positiveInteger),
  scoredWeights: v.exactOptional(oneOf('trained', 'xavier', 'varianceScaling')),
  statistics: v.exactOptional(oneOf('batch', 'running')),
  augment: v.exactOptional(flag),
  perClass: v.exactOptional(positiveInteger),
  rounds: v.exactOptional(positiveInteger),
  parts: v.exactOptional(positiveInteger),
  temperature: v.exactOptional(positive),
  redrawClassifier: v.exactOptional(flag),
  regrowRatio: v.exactOptional(unitShare),
  groups: v.exactOptional(oneOf('inner', 'all')),
  channelOffset: v.exactOptional(count),
  channelsUntil: v.exactOptional(unitShare),
  channelFloor: v.exactOptional(unitShare),
  softUntil: v.exactOptional(unitShare),
  softExtra: v.exactOptional(unitShare),
} as const;

const optionSchema = v.strictObject(optionFields);

export type StrategyOptions = Readonly<v.InferOutput<typeof optionSchema>>;
export type OptionName = keyof StrategyOptions;

export const optionNames = Object.keys(optionFields) as readonly OptionName[];

/** What each option is for. */
export const optionHelp: Readonly<Record<OptionName, string>> = {
  channelSparsity: 'share of the channels removed in the end',
  layout: 'how the density is spread over the layers; global: all weights ranked together',
  dense: 'layers that stay dense',
  powerScale: 'exponent on the raw densities of er and erk',
  updateEvery: 'steps between mask updates',
  updateEveryEpochs: 'epochs between mask updates',
  startAt: 'share of the training after which updates begin',
  stopAt: 'share of the training after which masks stay',
  dropFraction: 'share of the kept weights an update replaces, at first',
  dropFractionEnd: 'and in the end',
  anneal: 'course of the drop fraction',
  dropBy: 'smallest |w|, or the original: of each sign',
  smoothing: 'of the gradient over steps',
  threshold: 'magnitude below which weights are dropped at first',
  replaceShare: 'share of the kept weights an update is to replace',
  periods: 'updates every so many steps from a share of the training on',
  stages: 'densities that updates drop and grow to',
  network: 'whose stages em and em&s are',
  gradientWeight: 'lambda in the importance |w| + lambda |gradient|',
  pruneFraction: 'share of the kept weights each round removes',
  rewindStep: 'step of the first round whose weights later rounds start from',
  perturb: 'rounds in which a sharpness-aware optimizer perturbs',
  batches: 'training batches that are scored',
  scoredWeights: 'weights that are scored',
  statistics: 'batch norm while scoring',
  augment: 'augment the images that are scored',
  perClass: 'images per class that are scored',
  rounds: 'selections of images that are scored',
  parts: 'batches of a selection, each with classes of its own',
  temperature: 'divides the logits while scoring',
  redrawClassifier: 'draw the classifier anew while scoring',
  regrowRatio: 'share of the channels that live beyond the target at first',
  groups: 'channels inside residual blocks, or all',
  channelOffset: 'steps from an update of weights to one of channels',
  channelsUntil: 'share of the training after which channels stay',
  channelFloor: 'share of the even number of channels every group keeps',
  softUntil: 'share of the training with more weights than the target',
  softExtra: 'by how much the density exceeds the target at first',
};
