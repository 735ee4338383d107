import type { Tree } from './overrides.js';

/**
 * The presets made from a table, `<model>-<data>-<method><percent>`: ResNet-32 and VGG-19 on CIFAR with every method. Percent is the
 * sparsity: of the weights, for CHEX of the channels.
 */

/** How the literature trains. `weightDecay` by network where they differ. */
interface Recipe {
  readonly batchSize: number;
  readonly optimizer: Tree;
  readonly weightDecay: Readonly<Record<Model, number>>;
}

const MODELS = ['resnet32', 'vgg19'] as const;
type Model = (typeof MODELS)[number];
const DATA = ['cifar10', 'cifar100'] as const;

const steps = { schedule: 'multistep', milestones: [80, 120], gamma: 0.1 };

const recipes = {
  /** MEST and S2-SAM. */
  mest: {
    batchSize: 64,
    optimizer: { schedule: 'cosine', endLr: 4e-8 },
    weightDecay: { resnet32: 1e-4, vgg19: 1e-4 },
  },
  /** GraSP, and the rows of its tables. */
  grasp: { batchSize: 128, optimizer: steps, weightDecay: { resnet32: 1e-4, vgg19: 5e-4 } },
  /** Chase. */
  chase: {
    batchSize: 100,
    optimizer: { ...steps, nesterov: true },
    weightDecay: { resnet32: 5e-4, vgg19: 5e-4 },
  },
} as const satisfies Record<string, Recipe>;

type RecipeName = keyof typeof recipes;

/** For methods that have no recipe of their own for these networks. */
const usualRecipe: Readonly<Record<Model, RecipeName>> = { resnet32: 'mest', vgg19: 'grasp' };

const WEIGHTS = [90, 95, 98] as const;
const CHANNELS = [30, 50, 70] as const;

interface Row {
  readonly method: string;
  readonly recipe?: RecipeName;
  readonly options?: Tree;
}

const rows: Readonly<Record<string, Row>> = {
  erk: { method: 'static' },
  snip: { method: 'snip', recipe: 'grasp' },
  grasp: { method: 'grasp', recipe: 'grasp' },
  lt: { method: 'lt', recipe: 'grasp' },
  set: { method: 'set' },
  dsr: { method: 'dsr' },
  rigl: { method: 'rigl' },
  mest: { method: 'mest', recipe: 'mest' },
  mests: { method: 'mest', recipe: 'mest', options: { stages: 'em&s' } },
  snfs: { method: 'snfs' },
  gradual: { method: 'gradual' },
  chase: { method: 'chase', recipe: 'chase', options: { channelSparsity: 0.3 } },
  chex: { method: 'chex' },
};

/** Settings that authors changed for a network, or for one of its cases; the more particular name wins. */
const special: Readonly<Record<string, Tree>> = {
  'resnet32-cifar100-grasp98': { perClass: 5, rounds: 2 },
  'vgg19-mest': { network: 'vgg' },
  'vgg19-mests': { network: 'vgg' },
};

export interface Preset {
  readonly name: string;
  /** One line. */
  readonly about: string;
  readonly config: Tree;
}

function presetOf(model: Model, data: string, label: string, percent?: number): Preset {
  const { method, recipe = usualRecipe[model], options } = rows[label] ?? { method: 'dense' };
  const { batchSize, optimizer, weightDecay } = recipes[recipe];
  const name = `${model}-${data}-${label}${percent ?? ''}`;
  const share = (percent ?? 0) / 100;
  const amount = method === 'dense' ? {} : method === 'chex' ? { channelSparsity: share } : { sparsity: share };
  const own = special[name] ?? special[`${model}-${label}`];
  const rule = method === 'dense' ? { name: 'sgd' } : { name: 's2sam', rho: 0.05 };
  const chosen = typeof options?.stages === 'string' ? `${method} (${options.stages})` : method;
  const what =
    method === 'dense'
      ? method
      : `${chosen}, ${percent} % of the ${method === 'chex' ? 'channels' : 'weights'} removed`;
  return {
    name,
    about: `${model} on ${data}, ${what}; recipe of ${recipe}`,
    config: {
      model: { name: model },
      data: { name: data },
      train: { epochs: 160, batchSize },
      optimizer: { ...rule, lr: 0.1, momentum: 0.9, weightDecay: weightDecay[model], ...optimizer },
      sparsity: { method, ...amount, ...options, ...own },
    },
  };
}

/** All of them, in the order of the table. */
export const tablePresets: readonly Preset[] = MODELS.flatMap((model) =>
  DATA.flatMap((data) => [
    presetOf(model, data, 'dense'),
    ...Object.keys(rows).flatMap((label) =>
      (label === 'chex' ? CHANNELS : WEIGHTS).map((percent) => presetOf(model, data, label, percent)),
    ),
  ]),
);
