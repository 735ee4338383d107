import type { Tree } from './overrides.js';
import type { Preset } from './presets.js';

/**
 * The presets `imagenet/resnet50-<method>-<percent>`: ResNet-50 on ImageNet-1K with the recipes of the methods' authors, and S2-SAM on
 * top of them. Percent is the sparsity of the weights; for CHEX, about that share of the weights goes with its channels.
 *
 * Beside each stands what was published for the method alone. No figure of S2-SAM is given: none is known to us first-hand.
 */

/** A published top-1 accuracy of a base method, without S2-SAM. */
interface Published {
  /** In percent. */
  readonly top1: number;
  readonly source: string;
  /** `seen`: in the source named; `second-hand`: quoted elsewhere; `recalled`: from memory of the literature, unchecked. */
  readonly certainty: 'seen' | 'second-hand' | 'recalled';
  /** What sets the published run apart. */
  readonly remark?: string;
}

/** Images per step that fit a GPU; larger batches of the literature are sums of these. */
const STEP = 256;

interface Recipe {
  readonly epochs: number;
  readonly batch: number;
  readonly train?: Tree;
  readonly optimizer: Tree;
}

const smoothed = { labelSmoothing: 0.1 };

const recipes = {
  rigl: {
    epochs: 100,
    batch: 4096,
    train: smoothed,
    optimizer: {
      lr: 1.6,
      schedule: 'multistep',
      milestones: [30, 70, 90],
      warmupEpochs: 5,
      nesterov: true,
      weightDecay: 1e-4,
    },
  },
  mest: {
    epochs: 150,
    batch: 2048,
    train: smoothed,
    optimizer: { lr: 2.048, schedule: 'cosine', warmupEpochs: 8, weightDecay: 3.05e-5 },
  },
  grasp: {
    epochs: 90,
    batch: 256,
    optimizer: { lr: 0.1, schedule: 'multistep', milestones: [30, 60], weightDecay: 1e-4 },
  },
  chase: {
    epochs: 100,
    batch: 512,
    train: smoothed,
    optimizer: { lr: 0.512, schedule: 'cosine', warmupEpochs: 8, weightDecay: 1e-4 },
  },
  chex: {
    epochs: 250,
    batch: 1024,
    train: { ...smoothed, mixup: 0.2 },
    optimizer: {
      lr: 1.024,
      schedule: 'cosine',
      warmupEpochs: 8,
      momentum: 0.875,
      weightDecay: 3.05e-5,
      decayWeightsOnly: true,
    },
  },
} as const satisfies Record<string, Recipe>;

interface Row {
  readonly recipe: keyof typeof recipes;
  readonly method: string;
  readonly options?: Tree;
  readonly published: Readonly<Record<80 | 90, Published>>;
}

const seen = (top1: number, source: string, remark?: string): Published => ({
  top1,
  source,
  certainty: 'seen',
  ...(remark === undefined ? {} : { remark }),
});
const recalled = (top1: number, source: string): Published => ({ top1, source, certainty: 'recalled' });

const CHEX = seen(76.0, 'README of CHEX', '1 GFLOP of multiply-adds, an operating point of its own');

const rows: Readonly<Record<string, Row>> = {
  rigl: {
    recipe: 'rigl',
    method: 'rigl',
    options: { layout: 'erk', updateEvery: 100, stopAt: 0.75 },
    published: { 80: seen(75.12, 'README of RigL'), 90: seen(73.07, 'README of RigL') },
  },
  mest: {
    recipe: 'mest',
    method: 'mest',
    published: {
      80: { top1: 75.39, source: 'README of Chase', certainty: 'second-hand' },
      90: { top1: 72.58, source: 'README of Chase', certainty: 'second-hand' },
    },
  },
  snip: {
    recipe: 'grasp',
    method: 'snip',
    published: { 80: recalled(69.67, 'GraSP paper'), 90: recalled(61.97, 'GraSP paper') },
  },
  grasp: {
    recipe: 'grasp',
    method: 'grasp',
    // 160 batches of 250 images, of 25 classes each; the authors take 150 of 250.
    options: { perClass: 10, rounds: 4, parts: 40 },
    published: { 80: recalled(72.06, 'GraSP paper'), 90: recalled(68.14, 'GraSP paper') },
  },
  set: {
    recipe: 'rigl',
    method: 'set',
    options: { layout: 'uniform', dense: 'stem', updateEvery: 100, stopAt: 0.75 },
    published: { 80: seen(72.9, 'README of Chase'), 90: seen(69.6, 'README of Chase') },
  },
  chase: {
    recipe: 'chase',
    method: 'chase',
    options: { channelSparsity: 0.3, channelsUntil: 0.8 },
    published: { 80: seen(75.62, 'README of Chase'), 90: seen(74.35, 'README of Chase') },
  },
  chex: {
    recipe: 'chex',
    method: 'chex',
    options: { regrowRatio: 0.3, updateEveryEpochs: 2, stopAt: 180 / 250 },
    published: { 80: CHEX, 90: CHEX },
  },
};

const DENSE = seen(76.8, 'README of RigL');

/** Share of the channels inside blocks that takes so much of the weights with it: a weight joins two channels. */
const channelsFor = (sparsity: number): number => Math.round(100 * (1 - Math.sqrt(1 - sparsity))) / 100;

function configOf({ epochs, batch, train, optimizer }: Recipe, rule: Tree, sparsity: Tree): Tree {
  const step = Math.min(batch, STEP);
  const accumulate = batch > step ? { accumulate: batch / step } : {};
  return {
    model: { name: 'resnet50' },
    data: { name: 'imagenet' },
    train: { epochs, batchSize: step, ...accumulate, ...train },
    optimizer: { ...rule, momentum: 0.9, ...optimizer },
    sparsity,
  };
}

function publishedText({ top1, source, certainty, remark }: Published): string {
  return `published without S2-SAM ${top1} % (${source}, ${certainty}${remark === undefined ? '' : `; ${remark}`})`;
}

function presetOf(label: string, percent: 80 | 90): Preset {
  const { recipe, method, options, published } = rows[label] as Row;
  const sparsity = percent / 100;
  const amount = method === 'chex' ? { channelSparsity: channelsFor(sparsity) } : { sparsity };
  return {
    name: `imagenet/resnet50-${label}-${percent}`,
    about: `${method}, ${percent} % of the weights removed; recipe of ${recipe}; ${publishedText(published[percent])}`,
    config: configOf(recipes[recipe], { name: 's2sam', rho: 0.05 }, { method, ...amount, ...options }),
  };
}

const dense: Preset = {
  name: 'imagenet/resnet50-dense',
  about: `dense, SGD; recipe of rigl; ${publishedText(DENSE)}`,
  config: configOf(recipes.rigl, { name: 'sgd' }, { method: 'dense' }),
};

/** All of them, in the order of the table. */
export const imagenetPresets: readonly Preset[] = [
  dense,
  ...Object.keys(rows).flatMap((label) => [presetOf(label, 80), presetOf(label, 90)]),
];
